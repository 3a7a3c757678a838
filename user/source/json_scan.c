/* SPDX-License-Identifier: Apache-2.0 */
#include "source/json_scan.h"

#include <string.h>

#include "source/parse.h"

static bool fail(struct json_scan *scan, const char *error)
{
	scan->error = scan->at < scan->end ? error : "the text ends too early";
	return false;
}

bool json_scan_space(struct json_scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
		scan->at++;
	return scan->at < scan->end;
}

static bool scan_char(struct json_scan *scan, char c, const char *error)
{
	if (!json_scan_space(scan) || *scan->at != c)
		return fail(scan, error);
	scan->at++;
	return true;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(struct json_scan *scan)
{
	scan->at++;
	if (scan->at == scan->end || !*scan->at || !strchr("\"\\/bfnrtu", *scan->at))
		return fail(scan, "no escape sequence");
	if (*scan->at != 'u') {
		scan->at++;
		return true;
	}
	scan->at++;
	for (int i = 0; i < 4; i++, scan->at++) {
		if (scan->at == scan->end || !is_hex(*scan->at))
			return fail(scan, "\\u needs four hexadecimal digits");
	}
	return true;
}

static bool scan_string(struct json_scan *scan)
{
	scan->at++;
	while (scan->at < scan->end && *scan->at != '"') {
		if ((unsigned char)*scan->at < ' ')
			return fail(scan, "a control character in a string");
		if (*scan->at == '\\') {
			if (!scan_escape(scan))
				return false;
		} else {
			scan->at++;
		}
	}
	if (scan->at == scan->end)
		return fail(scan, NULL);
	scan->at++;
	return true;
}

static bool scan_digits(struct json_scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > start;
}

static bool next_is(const struct json_scan *scan, char a, char b)
{
	return scan->at < scan->end && (*scan->at == a || *scan->at == b);
}

static bool scan_number(struct json_scan *scan)
{
	bool is_zero;

	scan->at += *scan->at == '-';
	is_zero = next_is(scan, '0', '0');
	if (is_zero)
		scan->at++;
	else if (!scan_digits(scan))
		return fail(scan, "no number");
	if (next_is(scan, '.', '.')) {
		scan->at++;
		if (!scan_digits(scan))
			return fail(scan, "digits must follow the point");
	}
	if (next_is(scan, 'e', 'E')) {
		scan->at++;
		scan->at += next_is(scan, '-', '+');
		if (!scan_digits(scan))
			return fail(scan, "an exponent needs digits");
	}
	if (is_zero && scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		return fail(scan, "a number must not begin with 0");
	return true;
}

static bool scan_word(struct json_scan *scan, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
		return fail(scan, "not a value");
	scan->at += len;
	return true;
}

static bool skip_element(void *arg, struct json_scan *scan, const char *key, size_t key_len)
{
	const int *depth = arg;

	(void)key;
	(void)key_len;
	return json_scan_value(scan, *depth + 1);
}

/* Notes that a value begins here. */
static void begin_value(struct json_scan *scan)
{
	scan->n_values++;
	if (scan->n_values == scan->wanted)
		scan->found = scan->at;
}

bool json_scan_value(struct json_scan *scan, int depth)
{
	if (!json_scan_space(scan))
		return fail(scan, NULL);
	if (*scan->at == '{' || *scan->at == '[')
		return json_scan_each(scan, depth, skip_element, &depth);
	begin_value(scan);
	switch (*scan->at) {
	case '"':
		return scan_string(scan);
	case 't':
		return scan_word(scan, "true");
	case 'f':
		return scan_word(scan, "false");
	case 'n':
		return scan_word(scan, "null");
	default:
		return scan_number(scan);
	}
}

/* Reads "key": before a member's value. */
static bool scan_key(struct json_scan *scan, const char **ret_key, size_t *ret_len)
{
	const char *key;

	if (!json_scan_space(scan) || *scan->at != '"')
		return fail(scan, "a name in double quotes is missing");
	key = scan->at;
	if (!scan_string(scan))
		return false;
	*ret_key = key;
	*ret_len = (size_t)(scan->at - key);
	return scan_char(scan, ':', "':' is missing after the name");
}

bool json_scan_each(struct json_scan *scan, int depth,
		    bool (*fn)(void *arg, struct json_scan *scan, const char *key, size_t key_len),
		    void *arg)
{
	char close = *scan->at == '{' ? '}' : ']';
	const char *key = NULL;
	size_t key_len = 0;

	if (depth >= PARSE_MAX_DEPTH)
		return fail(scan, "nested too deeply");
	begin_value(scan);
	scan->at++;
	if (json_scan_space(scan) && *scan->at == close) {
		scan->at++;
		return true;
	}
	for (;;) {
		if (close == '}' && !scan_key(scan, &key, &key_len))
			return false;
		if (!fn(arg, scan, key, key_len))
			return false;
		if (!json_scan_space(scan) || *scan->at != ',')
			break;
		scan->at++;
	}
	return scan_char(scan, close,
			 close == '}' ? "',' or '}' is missing" : "',' or ']' is missing");
}
