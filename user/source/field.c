/* SPDX-License-Identifier: Apache-2.0 */
#include "source/field.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/addr.h"
#include "util/one_line.h"

#define DNS_LABEL_MAX 63
/* Levels of a path in an error text; deeper ones are left out. */
#define PATH_MAX_LEVELS 16

struct field field_root(const struct cJSON *node, struct decode_error *error)
{
	return (struct field){.node = node, .error = error};
}

struct field field_child(const struct field *parent, const char *key)
{
	struct field field = {.parent = parent, .key = key, .error = parent->error};
	const cJSON *item;

	/* not cJSON's own getter: it gives the first of two equal names, Kubernetes the last */
	cJSON_ArrayForEach(item, parent->node) {
		if (item->string && strcmp(item->string, key) == 0)
			field.node = cJSON_IsNull(item) ? NULL : item;
	}
	return field;
}

struct field field_first(const struct field *array)
{
	return (struct field){
		.node = array->node ? array->node->child : NULL,
		.parent = array,
		.error = array->error,
	};
}

struct field field_next(const struct field *item)
{
	struct field next = *item;

	next.node = item->node->next;
	next.index++;
	return next;
}

size_t field_count(const struct field *array)
{
	return array->node ? (size_t)cJSON_GetArraySize(array->node) : 0;
}

/* Writes "spec.ports[1].port"; the object itself has an empty path. */
static void field_path(const struct field *field, char *buf, size_t size)
{
	const struct field *levels[PATH_MAX_LEVELS];
	size_t n = 0, len = 0;

	for (; field && field->parent && n < PATH_MAX_LEVELS; field = field->parent)
		levels[n++] = field;
	buf[0] = '\0';
	while (n > 0 && len < size) {
		field = levels[--n];
		if (field->key)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? "." : "",
						field->key);
		else
			len += (size_t)snprintf(buf + len, size - len, "[%zu]", field->index);
	}
}

int field_fail(const struct field *field, const char *format, ...)
{
	struct decode_error *error = field->error;
	const struct field *at = field;
	char path[128], text[192];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	field_path(field, path, sizeof(path));
	snprintf(error->text, sizeof(error->text), "%s%s%s", path, path[0] ? ": " : "", text);
	one_line_make(error->text, '?');
	while (at && !at->node)
		at = at->parent;
	error->node = at ? at->node : NULL;
	return -EINVAL;
}

static const char *type_name(const cJSON *node)
{
	if (cJSON_IsObject(node))
		return "an object";
	if (cJSON_IsArray(node))
		return "a list";
	if (cJSON_IsString(node))
		return "a string";
	if (cJSON_IsNumber(node))
		return "a number";
	return cJSON_IsNull(node) ? "null" : "true or false";
}

static int fail_type(const struct field *field, const char *want)
{
	const cJSON *node = field->node;

	if (cJSON_IsString(node))
		return field_fail(field, "must be %s, but is the string \"%.64s\"", want,
				  node->valuestring);
	if (cJSON_IsNumber(node))
		return field_fail(field, "must be %s, but is the number %g", want,
				  node->valuedouble);
	/* YAML 1.1: so are n, no, off, y, yes, on */
	if (cJSON_IsBool(node))
		return field_fail(field, "must be %s, but is %s%s", want,
				  cJSON_IsTrue(node) ? "true" : "false",
				  strcmp(want, "a string") == 0 ? "; quote it" : "");
	return field_fail(field, "must be %s, but is %s", want, type_name(node));
}

int field_check_object(const struct field *field)
{
	if (field->node && !cJSON_IsObject(field->node))
		return fail_type(field, "an object");
	return 0;
}

int field_object(const struct field *parent, const char *key, struct field *ret)
{
	struct field field = field_child(parent, key);
	int r = field_check_object(&field);

	if (r < 0)
		return r;
	*ret = field;
	return 0;
}

int field_array(const struct field *parent, const char *key, struct field *ret)
{
	struct field field = field_child(parent, key);

	if (field.node && !cJSON_IsArray(field.node))
		return fail_type(&field, "a list");
	*ret = field;
	return 0;
}

int field_as_string(const struct field *field, const char **ret)
{
	if (field->node && !cJSON_IsString(field->node))
		return fail_type(field, "a string");
	*ret = field->node ? field->node->valuestring : NULL;
	return 0;
}

int field_string(const struct field *parent, const char *key, const char **ret)
{
	struct field field = field_child(parent, key);

	return field_as_string(&field, ret);
}

int field_bool(const struct field *parent, const char *key, bool *ret)
{
	struct field field = field_child(parent, key);

	if (!field.node)
		return 0;
	if (!cJSON_IsBool(field.node))
		return fail_type(&field, "true or false");
	*ret = cJSON_IsTrue(field.node);
	return 0;
}

int field_integer(const struct field *parent, const char *key, int64_t min, int64_t max,
		  int64_t *ret)
{
	struct field field = field_child(parent, key);
	double value;

	if (!field.node)
		return 0;
	if (!cJSON_IsNumber(field.node))
		return fail_type(&field, "a number");
	value = field.node->valuedouble;
	if (!(value >= (double)min && value <= (double)max) || value != (double)(int64_t)value)
		return field_fail(&field, "%.15g is not a whole number from %lld to %lld", value,
				  (long long)min, (long long)max);
	*ret = (int64_t)value;
	return 0;
}

int field_port(const struct field *parent, const char *key, uint16_t min, uint16_t *ret)
{
	struct field field = field_child(parent, key);
	double value;

	if (!field.node)
		return 0;
	if (!cJSON_IsNumber(field.node))
		return fail_type(&field, "a port number");
	value = field.node->valuedouble;
	if (!(value >= min && value <= UINT16_MAX) || value != (double)(int64_t)value)
		return field_fail(&field, "%.15g is not a port (%u-65535)", value, min);
	*ret = (uint16_t)value;
	return 0;
}

int field_protocol(const struct field *parent, uint8_t *ret)
{
	struct field field = field_child(parent, "protocol");
	const char *text = NULL;
	int r = field_as_string(&field, &text);

	if (r < 0)
		return r;
	if (!text || !text[0]) {
		*ret = IPPROTO_TCP;
		return 0;
	}
	if (protocol_parse(text, ret) < 0)
		return field_fail(&field, "\"%.64s\" is not TCP, UDP or SCTP", text);
	return 0;
}

int field_choice(const struct field *parent, const char *key, const char *const *words, size_t *ret)
{
	struct field field = field_child(parent, key);
	char list[128] = "";
	const char *text = NULL;
	size_t len = 0;
	int r = field_as_string(&field, &text);

	if (r < 0 || !text || !text[0])
		return r;
	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0) {
			*ret = i;
			return 0;
		}
	}
	for (size_t i = 0; words[i] && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					words[i]);
	return field_fail(&field, "\"%.64s\" is not one of %s", text, list);
}

static bool is_dns_label(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= DNS_LABEL_MAX && text[0] != '-' && text[len - 1] != '-' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int field_dns_label(const struct field *parent, const char *key, const char **ret)
{
	struct field field = field_child(parent, key);
	const char *text = NULL;
	int r = field_as_string(&field, &text);

	if (r < 0)
		return r;
	if (text && text[0] && !is_dns_label(text))
		return field_fail(&field,
				  "\"%.64s\" is not a DNS label (at most 63 of a-z, 0-9 and '-', "
				  "not '-' at an end)",
				  text);
	*ret = text && text[0] ? text : NULL;
	return 0;
}
