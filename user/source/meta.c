/* SPDX-License-Identifier: Apache-2.0 */
#include "source/meta.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "source/rfc3339.h"

/* Longest name of an object (a DNS subdomain, RFC 1123). */
#define NAME_MAX_BYTES 253

static int decode_namespace(const struct field *metadata, const char **ret)
{
	const char *text;
	int r = field_dns_label(metadata, "namespace", &text);

	if (r < 0)
		return r;
	*ret = text ? text : "default";
	return 0;
}

/*
 * Names of slices and nodes are keys, no more: as in a URL's path, without the stricter rules of
 * each kind.
 */
static int check_segment(const struct field *field, const char *text)
{
	if (strlen(text) > NAME_MAX_BYTES)
		return field_fail(field, "longer than %d bytes", NAME_MAX_BYTES);
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || strpbrk(text, "/%"))
		return field_fail(field, "\"%.64s\" is not a name", text);
	return 0;
}

static int decode_name(const struct field *metadata, enum meta_name kind, const char **ret)
{
	struct field field = field_child(metadata, "name");
	const char *text;
	int r;

	if (kind == META_NAME_LABEL) {
		r = field_dns_label(metadata, "name", &text);
		if (r < 0)
			return r;
	} else {
		r = field_as_string(&field, &text);
		if (r < 0)
			return r;
		if (text) {
			r = check_segment(&field, text);
			if (r < 0)
				return r;
		}
	}
	if (!text || !text[0])
		return field_fail(&field, "missing");
	*ret = text;
	return 0;
}

static int decode_created(const struct field *metadata, int64_t *ret_s)
{
	struct field field = field_child(metadata, "creationTimestamp");
	struct timespec ts;
	const char *text;
	int r = field_as_string(&field, &text);

	if (r < 0)
		return r;
	if (!text) {
		*ret_s = INT64_MAX;
		return 0;
	}
	if (rfc3339_parse(text, &ts) < 0)
		return field_fail(&field, "\"%.64s\" is not a time like 2026-11-21T19:42:37Z",
				  text);
	*ret_s = ts.tv_sec;
	return 0;
}

int meta_decode(const struct field *root, enum meta_name kind, struct meta *ret)
{
	int r;

	r = field_check_object(root);
	if (r < 0)
		return r;
	r = field_object(root, "metadata", &ret->metadata);
	if (r < 0)
		return r;
	r = decode_name(&ret->metadata, kind, &ret->name);
	if (r < 0)
		return r;
	r = decode_namespace(&ret->metadata, &ret->namespace);
	if (r < 0)
		return r;
	r = decode_created(&ret->metadata, &ret->created_s);
	if (r < 0)
		return r;
	r = field_object(&ret->metadata, "labels", &ret->labels);
	if (r < 0)
		return r;
	return field_object(&ret->metadata, "annotations", &ret->annotations);
}

/* In a map of strings Go reads null as "": the key is there. */
static int map_text(const struct field *map, const char *key, const char **ret)
{
	struct field field = field_child(map, key);
	const char *text;
	int r = field_as_string(&field, &text);

	if (r < 0)
		return r;
	if (!text && map->node && cJSON_GetObjectItemCaseSensitive(map->node, key))
		text = "";
	*ret = text;
	return 0;
}

int meta_label(const struct meta *meta, const char *key, const char **ret)
{
	return map_text(&meta->labels, key, ret);
}

int meta_annotation(const struct meta *meta, const char *key, const char **ret)
{
	return map_text(&meta->annotations, key, ret);
}

int intern(struct strings *pool, const char *text, const char **ret)
{
	const char *copy;

	if (!text) {
		*ret = NULL;
		return 0;
	}
	copy = strings_get(pool, text);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}
