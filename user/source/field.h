/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed reading of a JSON object with the way to each value kept, so that every error names it:
 * "spec.ports[1].port: 70000 is not a port (1-65535)".
 *
 * A struct field is a plain value that points to its parent; both live on the stack of the decoder.
 * As in Kubernetes, null is the same as absent, names are case sensitive, and the last of two
 * equal names wins. All functions that return int give 0, or -EINVAL with the error filled in.
 */
#ifndef SVCBPF_SOURCE_FIELD_H
#define SVCBPF_SOURCE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/decode.h"

/**
 * struct field - a value and the way to it.
 * @node: the value, borrowed; NULL when it is absent.
 * @parent: what it is in; NULL for the object itself.
 * @key: its name in @parent; NULL for an element of an array.
 * @index: its place in an array, or among a list's objects.
 * @error: filled in by what fails.
 */
struct field {
	const struct cJSON *node;
	const struct field *parent;
	const char *key;
	size_t index;
	struct decode_error *error;
};

/** field_root() - the object itself. @node, @error: borrowed. */
struct field field_root(const struct cJSON *node, struct decode_error *error);

/** field_child() - the value called @key, whatever its type. @parent: an object or absent. */
struct field field_child(const struct field *parent, const char *key);

/** field_first() - the first element of an array; its node is NULL when there is none. */
struct field field_first(const struct field *array);

/** field_next() - the element after @item; its node is NULL after the last. */
struct field field_next(const struct field *item);

/** field_count() - elements of an array; 0 when it is absent. */
size_t field_count(const struct field *array);

/**
 * field_fail() - say what is wrong with the value, or with its absence.
 * Control characters in the text become '?': the text stays one line. Return: -EINVAL.
 */
int field_fail(const struct field *field, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** field_check_object() - it must be an object or absent. */
int field_check_object(const struct field *field);

/** field_object() - @ret: the object called @key, or absent. */
int field_object(const struct field *parent, const char *key, struct field *ret);

/** field_array() - @ret: the array called @key, or absent. */
int field_array(const struct field *parent, const char *key, struct field *ret);

/** field_as_string() - @ret: the text, borrowed; NULL when absent. */
int field_as_string(const struct field *field, const char **ret);

/** field_string() - field_as_string() of the value called @key. */
int field_string(const struct field *parent, const char *key, const char **ret);

/** field_bool() - @ret: the truth value; left as it is when absent. */
int field_bool(const struct field *parent, const char *key, bool *ret);

/** field_integer() - @ret: a whole number from @min to @max; left as it is when absent. */
int field_integer(const struct field *parent, const char *key, int64_t min, int64_t max,
		  int64_t *ret);

/** field_port() - @ret: a port from @min (0 or 1) to 65535; left as it is when absent. */
int field_port(const struct field *parent, const char *key, uint16_t min, uint16_t *ret);

/** field_protocol() - @ret: IPPROTO_* of the value called "protocol"; TCP when absent. */
int field_protocol(const struct field *parent, uint8_t *ret);

/**
 * field_choice() - one of some words.
 * @words: NULL-terminated.
 * @ret: index into @words; left as it is when the value is absent.
 */
int field_choice(const struct field *parent, const char *key, const char *const *words,
		 size_t *ret);

/**
 * field_dns_label() - text that is a DNS label (RFC 1123): at most 63 of a-z, 0-9 and '-', the
 * last not at an end.
 * @ret: borrowed; NULL when absent or empty.
 */
int field_dns_label(const struct field *parent, const char *key, const char **ret);

#endif
