/* SPDX-License-Identifier: Apache-2.0 */
#include "source/rfc3339.h"

#include <errno.h>
#include <stdbool.h>

/* Reads exactly @n digits, at most @max. Return: what follows them; NULL when it is no number. */
static const char *read_digits(const char *text, int n, int max, int *ret)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return NULL;
		value = value * 10 + (text[i] - '0');
	}
	if (value > max)
		return NULL;
	*ret = value;
	return text + n;
}

static const char *read_char(const char *text, char c)
{
	return text && *text == c ? text + 1 : NULL;
}

static const char *read_pair(const char *text, char before, int max, int *ret)
{
	text = read_char(text, before);
	return text ? read_digits(text, 2, max, ret) : NULL;
}

static const char *read_fraction(const char *text, long *ret_ns)
{
	long ns = 0, unit = 100000000;

	if (*text != '.')
		return text;
	text++;
	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++, unit /= 10)
		ns += (*text - '0') * unit;
	*ret_ns = ns;
	return text;
}

/* Reads 'Z' or "+hh:mm", which must end the text. */
static bool read_zone(const char *text, int *ret_offset_s)
{
	int sign = *text == '-' ? -1 : 1, hours, minutes;

	if (*text == 'Z') {
		*ret_offset_s = 0;
		return text[1] == '\0';
	}
	if (*text != '+' && *text != '-')
		return false;
	text = read_digits(text + 1, 2, 23, &hours);
	text = read_pair(text, ':', 59, &minutes);
	if (!text || *text)
		return false;
	*ret_offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

int rfc3339_parse(const char *text, struct timespec *ret)
{
	struct tm tm = {}, check;
	long ns = 0;
	int offset_s;
	time_t s;

	text = read_digits(text, 4, 9999, &tm.tm_year);
	text = read_pair(text, '-', 12, &tm.tm_mon);
	text = read_pair(text, '-', 31, &tm.tm_mday);
	text = read_pair(text, 'T', 23, &tm.tm_hour);
	text = read_pair(text, ':', 59, &tm.tm_min);
	text = read_pair(text, ':', 59, &tm.tm_sec);
	if (text)
		text = read_fraction(text, &ns);
	if (!text || !read_zone(text, &offset_s) || tm.tm_mon == 0)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	check = tm;
	s = timegm(&check);
	/* timegm(3) takes February 31 for a day in March */
	if (check.tm_mday != tm.tm_mday)
		return -EINVAL;
	ret->tv_sec = s - offset_s;
	ret->tv_nsec = ns;
	return 0;
}
