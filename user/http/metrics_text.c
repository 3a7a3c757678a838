/* SPDX-License-Identifier: Apache-2.0 */
#include "http/metrics_text.h"

#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/histogram.h"

#define NUMBER_MAX 32

static void add_text(struct metrics_text *text, const char *s, size_t len)
{
	if (evbuffer_add(text->body, s, len) < 0)
		text->error = -ENOMEM;
}

static void add(struct metrics_text *text, const char *s)
{
	add_text(text, s, strlen(s));
}

/* Backslash and line feed as the format asks for it, in a label's value also the quote. */
static void add_escaped(struct metrics_text *text, const char *s, bool is_label)
{
	const char *special = is_label ? "\\\n\"" : "\\\n";

	while (*s) {
		const size_t len = strcspn(s, special);

		add_text(text, s, len);
		s += len;
		if (!*s)
			return;
		add(text, *s == '\n' ? "\\n" : *s == '"' ? "\\\"" : "\\\\");
		s++;
	}
}

/* The shortest decimal that reads back as the same number. */
static void format_number(double value, char buf[NUMBER_MAX])
{
	if (isnan(value))
		snprintf(buf, NUMBER_MAX, "NaN");
	else if (isinf(value))
		snprintf(buf, NUMBER_MAX, "%sInf", value > 0 ? "+" : "-");
	else
		for (int n_digits = 15; n_digits <= 17; n_digits++) {
			snprintf(buf, NUMBER_MAX, "%.*g", n_digits, value);
			if (strtod(buf, NULL) == value)
				break;
		}
}

void metrics_text_begin(struct metrics_text *text, const struct metric *metric)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	text->metric = metric;
	add(text, "# HELP ");
	add(text, metric->name);
	add(text, " ");
	add_escaped(text, metric->help, false);
	add(text, "\n# TYPE ");
	add(text, metric->name);
	add(text, " ");
	add(text, types[metric->type]);
	add(text, "\n");
}

static void add_label(struct metrics_text *text, const char *before,
		      const struct metric_label *label)
{
	add(text, before);
	add(text, label->name);
	add(text, "=\"");
	add_escaped(text, label->value, true);
	add(text, "\"");
}

/* @le: one label more, of a histogram's bucket; NULL: none. */
static void add_sample(struct metrics_text *text, const char *suffix,
		       const struct metric_labels *labels, const char *le, const char *value)
{
	const struct metric_label last = {"le", le};
	const char *before = "{";

	add(text, text->metric->name);
	add(text, suffix);
	for (size_t i = 0; i < METRICS_TEXT_MAX_LABELS && labels->items[i].value; i++) {
		add_label(text, before, &labels->items[i]);
		before = ",";
	}
	if (le) {
		add_label(text, before, &last);
		before = ",";
	}
	add(text, *before == ',' ? "} " : " ");
	add(text, value);
	add(text, "\n");
}

void metrics_text_value(struct metrics_text *text, struct metric_labels labels, double value)
{
	char number[NUMBER_MAX];

	format_number(value, number);
	add_sample(text, "", &labels, NULL, number);
}

static void add_count(struct metrics_text *text, const char *suffix,
		      const struct metric_labels *labels, const char *le, uint64_t value)
{
	char number[NUMBER_MAX];

	snprintf(number, sizeof(number), "%" PRIu64, value);
	add_sample(text, suffix, labels, le, number);
}

void metrics_text_count(struct metrics_text *text, struct metric_labels labels, uint64_t value)
{
	add_count(text, "", &labels, NULL, value);
}

void metrics_text_histogram(struct metrics_text *text, struct metric_labels labels,
			    const struct histogram *histogram)
{
	char number[NUMBER_MAX];
	uint64_t n = 0;

	for (size_t i = 0; i <= histogram->n_bounds; i++) {
		n += histogram->counts[i];
		format_number(i < histogram->n_bounds ? histogram->bounds[i] : INFINITY, number);
		add_count(text, "_bucket", &labels, number, n);
	}
	format_number(histogram->sum, number);
	add_sample(text, "_sum", &labels, NULL, number);
	add_count(text, "_count", &labels, NULL, n);
}
