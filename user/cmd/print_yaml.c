/* SPDX-License-Identifier: Apache-2.0 */
/* YAML by libyaml's emitter. Strings are always quoted: "n", "10" and "1e3" stay strings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cmd/print_format.h"
#include "util/cleanup.h"

struct print_yaml {
	yaml_emitter_t emitter;
	bool is_emitter;
};

/* The emitter takes the event over and fails only without memory or when the stream fails. */
static int yaml_emit(struct print_yaml *yaml, yaml_event_t *event, int is_made)
{
	if (!is_made)
		return -ENOMEM;
	if (yaml_emitter_emit(&yaml->emitter, event))
		return 0;
	return yaml->emitter.error == YAML_MEMORY_ERROR ? -ENOMEM : -EIO;
}

static int yaml_scalar(struct print_yaml *yaml, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;

	return yaml_emit(yaml, &event,
			 yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
						      (int)strlen(text), 1, 1, style));
}

static int yaml_key(struct print_yaml *yaml, const char *key)
{
	return yaml_scalar(yaml, key, YAML_PLAIN_SCALAR_STYLE);
}

static int yaml_mapping(struct print_yaml *yaml, bool is_begin)
{
	yaml_event_t event;

	return yaml_emit(yaml, &event,
			 is_begin ? yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
									YAML_BLOCK_MAPPING_STYLE)
				  : yaml_mapping_end_event_initialize(&event));
}

static int yaml_sequence(struct print_yaml *yaml, bool is_begin)
{
	yaml_event_t event;

	return yaml_emit(yaml, &event,
			 is_begin ? yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
									 YAML_BLOCK_SEQUENCE_STYLE)
				  : yaml_sequence_end_event_initialize(&event));
}

static int yaml_emit_scalar(struct print_yaml *yaml, const cJSON *value)
{
	_free_ char *text = NULL;
	int r = print_scalar_text(value, "null", &text);

	if (r < 0)
		return r;
	return yaml_scalar(yaml, text,
			   cJSON_IsString(value) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
						 : YAML_PLAIN_SCALAR_STYLE);
}

/* Recursion: as deep as the rows this program makes itself, three levels. */
static int yaml_emit_value(struct print_yaml *yaml, const cJSON *value)
{
	const bool is_object = cJSON_IsObject(value);
	const cJSON *item;
	int r;

	if (!is_object && !cJSON_IsArray(value))
		return yaml_emit_scalar(yaml, value);
	r = is_object ? yaml_mapping(yaml, true) : yaml_sequence(yaml, true);
	cJSON_ArrayForEach(item, value) {
		if (r == 0 && is_object)
			r = yaml_key(yaml, item->string);
		if (r == 0)
			r = yaml_emit_value(yaml, item);
	}
	if (r < 0)
		return r;
	return is_object ? yaml_mapping(yaml, false) : yaml_sequence(yaml, false);
}

static void yaml_free(void *data)
{
	struct print_yaml *yaml = data;

	if (yaml->is_emitter)
		yaml_emitter_delete(&yaml->emitter);
	free(yaml);
}

static int yaml_start(struct print_yaml *yaml)
{
	yaml_event_t event;
	int r;

	r = yaml_emit(yaml, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	if (r < 0)
		return r;
	r = yaml_emit(yaml, &event,
		      yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	return r < 0 ? r : yaml_mapping(yaml, true);
}

static int yaml_open(FILE *out, bool is_wide, void **ret_data)
{
	struct print_yaml *yaml = calloc(1, sizeof(*yaml));
	int r;

	(void)is_wide;
	if (!yaml)
		return -ENOMEM;
	yaml->is_emitter = yaml_emitter_initialize(&yaml->emitter);
	if (!yaml->is_emitter) {
		yaml_free(yaml);
		return -ENOMEM;
	}
	yaml_emitter_set_output_file(&yaml->emitter, out);
	yaml_emitter_set_unicode(&yaml->emitter, 1);
	yaml_emitter_set_width(&yaml->emitter, -1);
	r = yaml_start(yaml);
	if (r < 0) {
		yaml_free(yaml);
		return r;
	}
	*ret_data = yaml;
	return 0;
}

static int yaml_value(void *data, const char *key, const cJSON *value)
{
	int r = yaml_key(data, key);

	return r < 0 ? r : yaml_emit_value(data, value);
}

static int yaml_begin(void *data, const struct print_list *list)
{
	int r = yaml_key(data, list->key);

	return r < 0 ? r : yaml_sequence(data, true);
}

static int yaml_row(void *data, const cJSON *row)
{
	return yaml_emit_value(data, row);
}

static int yaml_end(void *data)
{
	return yaml_sequence(data, false);
}

static int yaml_close(void *data)
{
	yaml_event_t event;
	int r = yaml_mapping(data, false);

	if (r < 0)
		return r;
	r = yaml_emit(data, &event, yaml_document_end_event_initialize(&event, 1));
	if (r < 0)
		return r;
	return yaml_emit(data, &event, yaml_stream_end_event_initialize(&event));
}

const struct print_format_ops print_yaml_ops = {
	.open = yaml_open,
	.value = yaml_value,
	.begin = yaml_begin,
	.row = yaml_row,
	.end = yaml_end,
	.close = yaml_close,
	.free = yaml_free,
};
