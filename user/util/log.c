/* SPDX-License-Identifier: Apache-2.0 */
#include "util/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_TEXT_MAX 4096
/* in JSON every byte can become six: \u00XX */
#define LOG_LINE_MAX (6 * LOG_TEXT_MAX + 128)

enum log_style { LOG_STYLE_TEXT, LOG_STYLE_JOURNAL, LOG_STYLE_JSON };

static struct {
	enum log_level max;
	enum log_style style;
} config = {.max = LOG_LEVEL_INFO, .style = LOG_STYLE_TEXT};

static const struct {
	const char *name;
	int priority; /* of syslog(3), for sd-daemon(3)'s prefix */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARN] = {"warning", 4},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};

void log_setup(enum log_level max, bool as_json)
{
	config.max = max;
	if (as_json)
		config.style = LOG_STYLE_JSON;
	else
		config.style = getenv("JOURNAL_STREAM") ? LOG_STYLE_JOURNAL : LOG_STYLE_TEXT;
}

/* RFC 3339, UTC, milliseconds. */
static void format_time(char buf[40])
{
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(buf, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, 40 - len, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Length of the well-formed UTF-8 sequence at @text; 0 when it is none. */
static size_t utf8_len(const unsigned char *text)
{
	size_t len = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

	if ((text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* overlong forms, surrogates, beyond U+10FFFF */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return len;
}

/* Writes @text as a JSON string without its quotes; @out has room for six bytes each. */
static size_t escape_json(const char *text, char *out)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len = 0;

	while (*p) {
		size_t n = utf8_len(p);

		if (*p == '"' || *p == '\\') {
			out[len++] = '\\';
			out[len++] = (char)*p++;
		} else if (n == 0 || *p < 0x20 || *p == 0x7f) {
			len += (size_t)sprintf(out + len, "\\u%04x", n == 0 ? 0xfffdu : *p);
			p++;
		} else {
			memcpy(out + len, p, n);
			len += n;
			p += n;
		}
	}
	return len;
}

/* One line stays one line, whatever a stranger put into a name. */
static size_t escape_text(const char *text, char *out)
{
	size_t len = 0;

	for (; *text; text++) {
		out[len] = *text;
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			out[len] = ' ';
		len++;
	}
	return len;
}

static size_t format_line(enum log_level level, const char *text, char line[LOG_LINE_MAX])
{
	char now[40];
	int len = 0;

	format_time(now);
	switch (config.style) {
	case LOG_STYLE_JSON:
		len = sprintf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"", now,
			      levels[level].name);
		len += (int)escape_json(text, line + len);
		len += sprintf(line + len, "\"}");
		break;
	case LOG_STYLE_JOURNAL:
		len = sprintf(line, "<%d>", levels[level].priority);
		len += (int)escape_text(text, line + len);
		break;
	case LOG_STYLE_TEXT:
		len = sprintf(line, "%s %s: ", now, levels[level].name);
		len += (int)escape_text(text, line + len);
		break;
	}
	line[len++] = '\n';
	return (size_t)len;
}

static void write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

static void write_line(enum log_level level, int error, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

static void write_line(enum log_level level, int error, const char *format, va_list args)
{
	char text[LOG_TEXT_MAX];
	char line[LOG_LINE_MAX];

	if (level > config.max)
		return;
	errno = error;
	vsnprintf(text, sizeof(text), format, args);
	write_all(line, format_line(level, text, line));
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved_errno = errno;
	va_list args;

	va_start(args, format);
	write_line(level, saved_errno, format, args);
	va_end(args);
	errno = saved_errno;
}

int log_write_errno(enum log_level level, int error, const char *format, ...)
{
	int saved_errno = errno;
	va_list args;

	va_start(args, format);
	write_line(level, -error, format, args);
	va_end(args);
	errno = saved_errno;
	return error;
}
