/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen of a Kubernetes object, or of an event with one, without making a tree of it:
 * enough to know that nothing has changed. And what can be cut away before a tree is made.
 */
#ifndef SVCBPF_SOURCE_JSON_PEEK_H
#define SVCBPF_SOURCE_JSON_PEEK_H

#include <stddef.h>

/** struct json_text - the content of a string, between its quotes; @at NULL: not there. */
struct json_text {
	const char *at;
	size_t len;
};

/** struct json_peek - @type: of an event; the others are of the object's metadata. */
struct json_peek {
	struct json_text type;
	struct json_text name;
	struct json_text namespace;
	struct json_text uid;
	struct json_text resource_version;
};

/**
 * json_peek_object() - look at an object.
 *
 * Stops after its metadata: what follows may be no JSON. Strings with escapes in them count as not
 * there; names, UIDs and versions have none.
 * Return: 0; -EPROTO: not an object with metadata.
 */
int json_peek_object(const char *text, size_t len, struct json_peek *ret);

/** json_peek_event() - the same for an event, an object with "type" and "object". */
int json_peek_event(const char *text, size_t len, struct json_peek *ret);

/**
 * json_trim() - cut members away, wherever they stand.
 * @text, @len: JSON, changed in place.  @key: the name with its quotes and the colon: "\"x\":".
 *
 * What is no JSON is not made so; it may be cut wrong, but no byte outside of it is looked at.
 * Return: the new length.
 */
size_t json_trim(char *text, size_t len, const char *key);

#endif
