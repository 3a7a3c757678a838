/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Prometheus text format 0.0.4: begin a metric, then give its samples.
 * Source: prometheus.io/docs/instrumenting/exposition_formats.
 */
#ifndef SVCBPF_HTTP_METRICS_TEXT_H
#define SVCBPF_HTTP_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct evbuffer;
struct histogram;

/** METRICS_TEXT_CONTENT_TYPE - of an answer in this format. */
#define METRICS_TEXT_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/** struct metric - what a metric is; its strings are borrowed while its samples are written. */
struct metric {
	const char *name;
	enum metric_type type;
	const char *help;
};

/** struct metric_label - @name: valid as it is.  @value: any text; NULL ends a list early. */
struct metric_label {
	const char *name;
	const char *value;
};

/** METRICS_TEXT_MAX_LABELS - labels of a sample. */
#define METRICS_TEXT_MAX_LABELS 3

/** struct metric_labels - of one sample; zero: none. */
struct metric_labels {
	struct metric_label items[METRICS_TEXT_MAX_LABELS];
};

/**
 * struct metrics_text - a text being written.
 * @body: borrowed.  @metric: begun last.  @error: 0, or -ENOMEM once something is missing.
 */
struct metrics_text {
	struct evbuffer *body;
	const struct metric *metric;
	int error;
};

/** metrics_text_begin() - write HELP and TYPE; the samples that follow belong to it. */
void metrics_text_begin(struct metrics_text *text, const struct metric *metric);

/** metrics_text_value() - a sample. */
void metrics_text_value(struct metrics_text *text, struct metric_labels labels, double value);

/** metrics_text_count() - a sample that is a whole number, exact. */
void metrics_text_count(struct metrics_text *text, struct metric_labels labels, uint64_t value);

/** metrics_text_histogram() - the samples of a histogram: one label may be given. */
void metrics_text_histogram(struct metrics_text *text, struct metric_labels labels,
			    const struct histogram *histogram);

#endif
