/* SPDX-License-Identifier: Apache-2.0 */
#include "source/event_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/cleanup.h"

#define NOTE_MAX_BYTES	   1024
#define INSTANCE_MAX_BYTES 128
#define NAME_MAX_BYTES	   253 /* of a DNS subdomain: metadata.name */
#define CONTROLLER	   "svcbpf"
#define NS_PER_US	   1000ull
#define NS_PER_S	   1000000000ull

const char *event_json_namespace(const struct event_object *object)
{
	return object->namespace ? object->namespace : "default";
}

/* How many bytes of @text to take: at most @max, no part of a UTF-8 character. */
static size_t cut(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len <= max)
		return len;
	for (len = max; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	return len;
}

static void write_string(FILE *out, const char *text, size_t max)
{
	const size_t len = cut(text, max);

	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

/* ",\"key\":\"text\"" */
static void write_field(FILE *out, const char *key, const char *text, size_t max)
{
	fprintf(out, ",\"%s\":", key);
	write_string(out, text, max);
}

/* "web.18a1b2c3d4e5f607": the object's name and the time; without the name when it is too long. */
static void write_metadata(FILE *out, const struct event_object *object, uint64_t now_ns)
{
	char name[NAME_MAX_BYTES + 1];
	int len = snprintf(name, sizeof(name), "%s.%llx", object->name, (unsigned long long)now_ns);

	if (len < 0 || (size_t)len >= sizeof(name))
		snprintf(name, sizeof(name), CONTROLLER ".%llx", (unsigned long long)now_ns);
	fputs(",\"metadata\":{\"name\":", out);
	write_string(out, name, sizeof(name));
	write_field(out, "namespace", event_json_namespace(object), NAME_MAX_BYTES);
	putc('}', out);
}

/* A Node's uid is its name here, as kube-proxy and kubelet have it: kubectl describe asks so. */
static void write_regarding(FILE *out, const struct event_object *object)
{
	fputs(",\"regarding\":{\"apiVersion\":\"v1\"", out);
	write_field(out, "kind", object->kind, NAME_MAX_BYTES);
	write_field(out, "name", object->name, NAME_MAX_BYTES);
	if (object->namespace)
		write_field(out, "namespace", object->namespace, NAME_MAX_BYTES);
	else
		write_field(out, "uid", object->name, NAME_MAX_BYTES);
	putc('}', out);
}

/* MicroTime: six digits. */
static void write_time(FILE *out, uint64_t now_ns)
{
	const time_t s = (time_t)(now_ns / NS_PER_S);
	char text[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, ",\"eventTime\":\"%s.%06lluZ\"", text,
		(unsigned long long)(now_ns % NS_PER_S / NS_PER_US));
}

static void write_event(FILE *out, const struct event_object *object, const struct event_note *note,
			const char *node_name, uint64_t now_ns)
{
	char instance[INSTANCE_MAX_BYTES + 1];

	snprintf(instance, sizeof(instance), CONTROLLER "-%s", node_name);
	fputs("{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\"", out);
	write_metadata(out, object, now_ns);
	write_time(out, now_ns);
	write_field(out, "reportingController", CONTROLLER, INSTANCE_MAX_BYTES);
	write_field(out, "reportingInstance", instance, INSTANCE_MAX_BYTES);
	write_field(out, "type", note->is_warning ? "Warning" : "Normal", INSTANCE_MAX_BYTES);
	write_field(out, "reason", note->reason, INSTANCE_MAX_BYTES);
	write_field(out, "action", note->action, INSTANCE_MAX_BYTES);
	write_field(out, "note", note->note, NOTE_MAX_BYTES);
	write_regarding(out, object);
	putc('}', out);
}

int event_json_new(const struct event_object *object, const struct event_note *note,
		   const char *node_name, uint64_t now_ns, char **ret)
{
	_free_ char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	write_event(out, object, note, node_name, now_ns);
	if (fclose(out))
		return -ENOMEM;
	*ret = TAKE_PTR(text);
	return 0;
}
