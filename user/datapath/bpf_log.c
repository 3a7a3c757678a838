/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/bpf_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/log.h"

/*
 * libbpf's print function has no argument for its user, so the place to write to is a variable of
 * the thread, set for as long as that thread listens.
 */
static _Thread_local struct bpf_log *current;

/* What libbpf 1.1 puts around the verifier's log. */
static const char begin_mark[] = "-- BEGIN PROG LOAD LOG --\n";
static const char end_mark[] = "-- END PROG LOAD LOG --";

/* Lines the verifier ends every log with (print_verification_stats() of Linux). */
static bool is_statistics(const char *line, size_t len)
{
	static const char *const beginnings[] = {"processed ", "verification time ", "stack depth ",
						 "peak_states ", "insns processed "};

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		const size_t n = strlen(beginnings[i]);

		if (len >= n && strncmp(line, beginnings[i], n) == 0)
			return true;
	}
	return len == 0;
}

/* Return: the last line between @start and @end that says something; @end when none does. */
static const char *find_last(const char *start, const char *end, size_t *ret_len)
{
	while (end > start) {
		const char *line = end[-1] == '\n' ? --end : end;

		while (line > start && line[-1] != '\n')
			line--;
		*ret_len = (size_t)(end - line);
		if (!is_statistics(line, *ret_len))
			return line;
		end = line;
	}
	*ret_len = 0;
	return end;
}

/* "libbpf: prog 'NAME': ..." */
static const char *find_name(const char *warning, size_t *ret_len)
{
	const char *quote = strchr(warning, '\'');

	*ret_len = quote ? strcspn(quote + 1, "'\n") : 0;
	return quote ? quote + 1 : "";
}

bool bpf_log_verdict(const char *warning, char ret_text[BPF_LOG_LINE_BYTES])
{
	const char *start = strstr(warning, begin_mark);
	const char *end, *line, *name;
	size_t len, name_len;

	if (!start)
		return false;
	start += strlen(begin_mark);
	end = strstr(start, end_mark);
	line = find_last(start, end ? end : start + strlen(start), &len);
	name = find_name(warning, &name_len);
	if (!len) {
		line = "the verifier gave no reason";
		len = strlen(line);
	}
	snprintf(ret_text, BPF_LOG_LINE_BYTES, "program %.*s: %.*s", (int)name_len, name, (int)len,
		 line);
	return true;
}

static void note(struct bpf_log *log, const char *warning)
{
	if (log->is_verdict)
		return;
	log->is_verdict = bpf_log_verdict(warning, log->warning);
	if (!log->is_verdict && !*log->warning)
		snprintf(log->warning, sizeof(log->warning), "%.*s",
			 (int)(sizeof(log->warning) - 1), warning);
	log->warning[strcspn(log->warning, "\n")] = '\0';
}

static void log_lines(char *text)
{
	for (char *line = strsep(&text, "\n"); line; line = strsep(&text, "\n"))
		if (*line)
			log_debug("%s", line);
}

/* The verifier's log has up to 16 MiB. */
static int hear(enum libbpf_print_level level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static int hear(enum libbpf_print_level level, const char *format, va_list args)
{
	_free_ char *text = NULL;

	if (level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return 0;
	}
	if (level == LIBBPF_WARN && current)
		note(current, text);
	log_lines(text);
	return 0;
}

void bpf_log_begin(struct bpf_log *log)
{
	log->warning[0] = '\0';
	log->is_verdict = false;
	current = log;
	log->old_print = libbpf_set_print(hear);
}

void bpf_log_end(struct bpf_log *log)
{
	libbpf_set_print(log->old_print);
	current = NULL;
}
