/* SPDX-License-Identifier: Apache-2.0 */
/* What is written into the URL of each request. */
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>

#include "source/reflector_private.h"
#include "util/cleanup.h"

#define PAGE_OBJECTS 500

static int add_encoded(FILE *path, const char *key, const char *text)
{
	_free_ char *encoded = NULL;

	if (!text)
		return 0;
	encoded = evhttp_uriencode(text, -1, 0);
	if (!encoded)
		return -1;
	return fprintf(path, "&%s=%s", key, encoded);
}

static int add_watch(FILE *path, const struct reflector *reflector)
{
	int r = fprintf(path, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%u",
			reflector->watch_timeout_s);

	if (r < 0)
		return r;
	if (reflector->request == REQUEST_WATCH_LIST)
		return fputs("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", path);
	return add_encoded(path, "resourceVersion", reflector->version);
}

/*
 * Lists ask for no version: the server reads the newest. An older one is faster at best, and after
 * a server's state was lost or restored it would be one that never comes.
 */
static int add_request(FILE *path, const struct reflector *reflector)
{
	int r;

	switch (reflector->request) {
	case REQUEST_PROBE:
		return fputs("limit=1", path);
	case REQUEST_PAGE:
		r = fprintf(path, "limit=%d", reflector->has_pages ? PAGE_OBJECTS : 0);
		return r < 0 ? r : add_encoded(path, "continue", reflector->list_continue);
	default:
		return add_watch(path, reflector);
	}
}

static int write_path(FILE *path, const struct reflector *reflector)
{
	const struct reflector_resource *resource = reflector->resource;
	int r = fprintf(path, "%s?", resource->path);

	if (r < 0)
		return r;
	r = add_request(path, reflector);
	if (r < 0)
		return r;
	r = add_encoded(path, "labelSelector", resource->label_selector);
	if (r < 0 || reflector->is_field_selector_off)
		return r;
	return add_encoded(path, "fieldSelector", resource->field_selector);
}

char *reflector_path(const struct reflector *reflector)
{
	char *text = NULL;
	size_t len = 0;
	FILE *path = open_memstream(&text, &len);
	int r;

	if (!path)
		return NULL;
	r = write_path(path, reflector);
	if (fclose(path) == 0 && r >= 0)
		return text;
	free(text);
	return NULL;
}
