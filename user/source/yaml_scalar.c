/* SPDX-License-Identifier: Apache-2.0 */
#include "source/yaml_scalar.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define TAG_PREFIX "tag:yaml.org,2002:"
/* Longest text that can be a number; longer ones are strings. */
#define NUMBER_MAX_BYTES 512

enum scalar_type { SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_FLOAT, SCALAR_STRING };

/** struct scalar - a resolved scalar. @is_negative, @magnitude: of SCALAR_INT. */
struct scalar {
	enum scalar_type type;
	bool is_true;
	bool is_negative;
	uint64_t magnitude;
	double number;
};

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

static bool resolve_word(const char *text, struct scalar *ret)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"y",  "Y",	"yes",	"Yes",	"YES",	"on",
					    "On", "ON", "true", "True", "TRUE", NULL};
	static const char *const falses[] = {"n",   "N",   "no",    "No",    "NO",    "off",
					     "Off", "OFF", "false", "False", "FALSE", NULL};
	static const char *const infinities[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
						 "+.INF", "-.inf", "-.Inf", "-.INF", NULL};
	static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};

	if (is_one_of(text, nulls))
		ret->type = SCALAR_NULL;
	else if (is_one_of(text, trues))
		*ret = (struct scalar){.type = SCALAR_BOOL, .is_true = true};
	else if (is_one_of(text, falses))
		*ret = (struct scalar){.type = SCALAR_BOOL};
	else if (is_one_of(text, infinities))
		*ret = (struct scalar){.type = SCALAR_FLOAT,
				       .number =
					       text[0] == '-' ? -__builtin_inf() : __builtin_inf()};
	else if (is_one_of(text, nans))
		*ret = (struct scalar){.type = SCALAR_FLOAT, .number = __builtin_nan("")};
	else
		return false;
	return true;
}

/* The base that a prefix gives, as Go's ParseInt(s, 0): 0x, 0o, 0b, or just a leading 0. */
static int number_base(const char **digits)
{
	const char *d = *digits;

	if (d[0] != '0' || !d[1])
		return 10;
	*digits += 2;
	switch (d[1]) {
	case 'x':
	case 'X':
		return 16;
	case 'o':
	case 'O':
		return 8;
	case 'b':
	case 'B':
		return 2;
	default:
		*digits = d + 1;
		return 8;
	}
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

static bool resolve_int(const char *text, struct scalar *ret)
{
	struct scalar s = {.type = SCALAR_INT, .is_negative = text[0] == '-'};
	const char *digits = text + (text[0] == '-' || text[0] == '+');
	int base = number_base(&digits);

	if (!*digits)
		return false;
	for (; *digits; digits++) {
		int value = digit_value(*digits);

		if (value >= base || __builtin_mul_overflow(s.magnitude, base, &s.magnitude) ||
		    __builtin_add_overflow(s.magnitude, value, &s.magnitude))
			return false;
	}
	/* a signed number must fit into int64, one without sign into uint64 */
	if ((s.is_negative && s.magnitude > (uint64_t)INT64_MAX + 1) ||
	    (text[0] == '+' && s.magnitude > INT64_MAX))
		return false;
	*ret = s;
	return true;
}

static const char *skip_digits(const char *p)
{
	return p + strspn(p, "0123456789");
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *text)
{
	const char *p = text + (text[0] == '-' || text[0] == '+'), *start = p;

	p = skip_digits(p);
	if (*p == '.') {
		bool has_whole = p > start;
		const char *fraction = ++p;

		p = skip_digits(p);
		if (!has_whole && p == fraction)
			return false;
	}
	if (p == start)
		return false;
	if (*p == 'e' || *p == 'E') {
		const char *exponent = p + 1 + (p[1] == '-' || p[1] == '+');

		p = skip_digits(exponent);
		if (p == exponent)
			return false;
	}
	return *p == '\0';
}

static bool resolve_float(const char *text, struct scalar *ret)
{
	double value;

	if (!is_float(text))
		return false;
	/* the program never leaves the C locale for numbers, so '.' is the point */
	value = strtod(text, NULL);
	if (!__builtin_isfinite(value))
		return false;
	*ret = (struct scalar){.type = SCALAR_FLOAT, .number = value};
	return true;
}

/* In a number '_' may stand anywhere but at its start. */
static bool resolve_number(const char *text, struct scalar *ret)
{
	char plain[NUMBER_MAX_BYTES];
	size_t n = 0;

	if (!strchr("+-.0123456789", text[0]) || strlen(text) >= sizeof(plain))
		return false;
	if (text[0] == '.')
		return resolve_float(text, ret);
	for (const char *c = text; *c; c++) {
		if (*c != '_')
			plain[n++] = *c;
	}
	plain[n] = '\0';
	return resolve_int(plain, ret) || resolve_float(plain, ret);
}

static void resolve(const char *text, struct scalar *ret)
{
	if (!resolve_word(text, ret) && !resolve_number(text, ret))
		*ret = (struct scalar){.type = SCALAR_STRING};
}

/* Applies a tag of YAML's own; all others leave a scalar the text it is. */
static int resolve_tagged(const char *text, const char *tag, struct scalar *ret)
{
	static const struct {
		const char *tag;
		enum scalar_type type;
	} tags[] = {
		{TAG_PREFIX "null", SCALAR_NULL},
		{TAG_PREFIX "bool", SCALAR_BOOL},
		{TAG_PREFIX "int", SCALAR_INT},
		{TAG_PREFIX "float", SCALAR_FLOAT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		if (strcmp(tag, tags[i].tag) != 0)
			continue;
		resolve(text, ret);
		if (ret->type == SCALAR_INT && tags[i].type == SCALAR_FLOAT)
			return 0;
		return ret->type == tags[i].type ? 0 : -EINVAL;
	}
	*ret = (struct scalar){.type = SCALAR_STRING};
	return 0;
}

static int scalar_resolve(const char *text, const char *tag, bool is_plain, struct scalar *ret,
			  const char **ret_error)
{
	if (tag) {
		if (resolve_tagged(text, tag, ret) < 0) {
			*ret_error = "the value does not fit its tag";
			return -EINVAL;
		}
	} else if (is_plain) {
		resolve(text, ret);
	} else {
		*ret = (struct scalar){.type = SCALAR_STRING};
	}
	return 0;
}

static double int_value(const struct scalar *scalar)
{
	return scalar->is_negative ? -(double)scalar->magnitude : (double)scalar->magnitude;
}

int yaml_scalar(const char *text, const char *tag, bool is_plain, struct cJSON **ret,
		const char **ret_error)
{
	struct scalar scalar;
	cJSON *item = NULL;
	int r = scalar_resolve(text, tag, is_plain, &scalar, ret_error);

	if (r < 0)
		return r;
	switch (scalar.type) {
	case SCALAR_NULL:
		item = cJSON_CreateNull();
		break;
	case SCALAR_BOOL:
		item = cJSON_CreateBool(scalar.is_true);
		break;
	case SCALAR_INT:
		item = cJSON_CreateNumber(int_value(&scalar));
		break;
	case SCALAR_FLOAT:
		if (!__builtin_isfinite(scalar.number)) {
			*ret_error = "infinity and NaN have no place in JSON";
			return -EINVAL;
		}
		item = cJSON_CreateNumber(scalar.number);
		break;
	case SCALAR_STRING:
		item = cJSON_CreateString(text);
		break;
	}
	if (!item)
		return -ENOMEM;
	*ret = item;
	return 0;
}

/*
 * A number as a name, as Go's FormatFloat(f, 'g', -1, 32) has it: the shortest text that reads back
 * as the same number of single precision, with an exponent from 1e+06 on and below 1e-04.
 */
static char *float_key(double number)
{
	char buf[64];
	int digits;
	long exponent;

	if (__builtin_isnan(number))
		return strdup(".nan");
	if (__builtin_isinf(number))
		return strdup(number < 0 ? "-.inf" : ".inf");
	for (digits = 0; digits < 9; digits++) {
		snprintf(buf, sizeof(buf), "%.*e", digits, number);
		if (strtof(buf, NULL) == (float)number)
			break;
	}
	exponent = strtol(strchr(buf, 'e') + 1, NULL, 10);
	if (exponent >= -4 && exponent < 6)
		snprintf(buf, sizeof(buf), "%.*f", digits > exponent ? (int)(digits - exponent) : 0,
			 number);
	return strdup(buf);
}

int yaml_scalar_key(const char *text, const char *tag, bool is_plain, char **ret,
		    const char **ret_error)
{
	struct scalar scalar;
	char buf[32];
	char *key;
	int r = scalar_resolve(text, tag, is_plain, &scalar, ret_error);

	if (r < 0)
		return r;
	switch (scalar.type) {
	case SCALAR_NULL:
		*ret_error = "a name is missing before ':'";
		return -EINVAL;
	case SCALAR_BOOL:
		key = strdup(scalar.is_true ? "true" : "false");
		break;
	case SCALAR_INT:
		snprintf(buf, sizeof(buf), "%s%llu",
			 scalar.is_negative && scalar.magnitude ? "-" : "",
			 (unsigned long long)scalar.magnitude);
		key = strdup(buf);
		break;
	case SCALAR_FLOAT:
		key = float_key(scalar.number);
		break;
	default:
		key = strdup(text);
		break;
	}
	if (!key)
		return -ENOMEM;
	*ret = key;
	return 0;
}
