/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict reader of the Prometheus text format 0.0.4: what a scraper might stumble over fails the
 * test. It takes what our writer may write, which is less than the format allows: HELP, TYPE and
 * all samples of a metric in one piece, one blank between things, no timestamps.
 */
#ifndef SVCBPF_TESTS_UNIT_HTTP_METRICS_PARSE_H
#define SVCBPF_TESTS_UNIT_HTTP_METRICS_PARSE_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARSED_MAX_SAMPLES 4096
#define PARSED_MAX_METRICS 256
#define PARSED_TEXT_BYTES  512

/** struct parsed_sample - @series: name and labels as they were written: name{a="b"}. */
struct parsed_sample {
	char series[PARSED_TEXT_BYTES];
	double value;
};

/** struct parsed_metric - @n_samples: from @first on. */
struct parsed_metric {
	char name[PARSED_TEXT_BYTES];
	char type[16];
	size_t first;
	size_t n_samples;
};

/** struct parsed - a whole text; large: allocate it. */
struct parsed {
	struct parsed_sample samples[PARSED_MAX_SAMPLES];
	size_t n_samples;
	struct parsed_metric metrics[PARSED_MAX_METRICS];
	size_t n_metrics;
};

/* Return: behind the name at @p, which must be one. */
static inline const char *parsed_name(const char *p, bool is_label)
{
	cr_assert(isalpha((unsigned char)*p) || *p == '_' || (!is_label && *p == ':'), "name: %s",
		  p);
	while (isalnum((unsigned char)*p) || *p == '_' || (!is_label && *p == ':'))
		p++;
	return p;
}

/* Return: behind the closing quote of the value that begins at @p. */
static inline const char *parsed_label_value(const char *p)
{
	cr_assert_eq(*p, '"', "value: %s", p);
	for (p++; *p != '"'; p++) {
		cr_assert(*p && *p != '\n', "value without an end");
		if (*p == '\\') {
			p++;
			cr_assert(*p == '\\' || *p == '"' || *p == 'n', "escape: %s", p);
		}
	}
	return p + 1;
}

/* Return: behind name and labels. */
static inline const char *parsed_series(const char *p)
{
	p = parsed_name(p, false);
	if (*p != '{')
		return p;
	do {
		p = parsed_name(p + 1, true);
		cr_assert_eq(*p, '=');
		p = parsed_label_value(p + 1);
	} while (*p == ',');
	cr_assert_eq(*p, '}', "labels: %s", p);
	return p + 1;
}

static inline void parsed_header(struct parsed *parsed, const char *line, size_t len)
{
	const char *name = line + strlen("# HELP ");
	const char *end = parsed_name(name, false);
	const bool is_help = strncmp(line, "# HELP ", 7) == 0;
	struct parsed_metric *metric;

	cr_assert(is_help || strncmp(line, "# TYPE ", 7) == 0, "%.*s", (int)len, line);
	cr_assert_eq(*end, ' ');
	if (is_help) {
		cr_assert_lt(parsed->n_metrics, PARSED_MAX_METRICS);
		metric = &parsed->metrics[parsed->n_metrics++];
		metric->first = parsed->n_samples;
		snprintf(metric->name, sizeof(metric->name), "%.*s", (int)(end - name), name);
		cr_assert_gt(len, (size_t)(end + 1 - line), "no help: %s", metric->name);
		for (size_t i = 0; i + 1 < parsed->n_metrics; i++)
			cr_assert_str_neq(parsed->metrics[i].name, metric->name, "twice");
		return;
	}
	cr_assert(parsed->n_metrics, "TYPE before HELP");
	metric = &parsed->metrics[parsed->n_metrics - 1];
	cr_assert(strlen(metric->name) == (size_t)(end - name) &&
			  strncmp(metric->name, name, strlen(metric->name)) == 0,
		  "TYPE of another metric than HELP: %.*s", (int)len, line);
	cr_assert(!*metric->type && metric->first == parsed->n_samples, "TYPE twice or late");
	snprintf(metric->type, sizeof(metric->type), "%.*s", (int)(len - (size_t)(end + 1 - line)),
		 end + 1);
	cr_assert(strcmp(metric->type, "counter") == 0 || strcmp(metric->type, "gauge") == 0 ||
			  strcmp(metric->type, "histogram") == 0,
		  "%s", metric->type);
}

static inline bool parsed_belongs(const struct parsed_metric *metric, const char *series)
{
	const size_t len = strlen(metric->name);
	const char *suffix = series + len;
	const size_t n = strcspn(suffix, "{");

	if (strncmp(series, metric->name, len) != 0)
		return false;
	if (strcmp(metric->type, "histogram") != 0)
		return n == 0;
	return strncmp(suffix, "_bucket", n > 7 ? n : 7) == 0 ||
	       strncmp(suffix, "_sum", n > 4 ? n : 4) == 0 ||
	       strncmp(suffix, "_count", n > 6 ? n : 6) == 0;
}

static inline void parsed_line(struct parsed *parsed, const char *line)
{
	const char *end = parsed_series(line);
	struct parsed_sample *sample = &parsed->samples[parsed->n_samples];
	struct parsed_metric *metric;
	char *rest;

	cr_assert(parsed->n_metrics, "a sample before any HELP");
	cr_assert_lt(parsed->n_samples, PARSED_MAX_SAMPLES);
	metric = &parsed->metrics[parsed->n_metrics - 1];
	cr_assert(*metric->type, "a sample before TYPE: %s", metric->name);
	cr_assert_lt((size_t)(end - line), sizeof(sample->series));
	snprintf(sample->series, sizeof(sample->series), "%.*s", (int)(end - line), line);
	cr_assert(parsed_belongs(metric, sample->series), "%s is no sample of %s", sample->series,
		  metric->name);
	for (size_t i = metric->first; i < parsed->n_samples; i++)
		cr_assert_str_neq(parsed->samples[i].series, sample->series, "twice");
	cr_assert(*end == ' ' && !isspace((unsigned char)end[1]), "%s", line);
	sample->value = strtod(end + 1, &rest);
	cr_assert(rest > end + 1 && *rest == '\n', "value: %s", end);
	parsed->n_samples++;
	metric->n_samples++;
}

/* Every histogram: bounds go up, counts do not go down, the last is +Inf and equals _count. */
static inline void parsed_check_histogram(const struct parsed *parsed,
					  const struct parsed_metric *metric)
{
	double last_bound = -INFINITY;
	double last_count = 0;

	for (size_t i = metric->first; i < metric->first + metric->n_samples; i++) {
		const struct parsed_sample *sample = &parsed->samples[i];
		const char *suffix = sample->series + strlen(metric->name);
		const char *le = strstr(sample->series, "le=\"");

		if (strncmp(suffix, "_bucket", 7) == 0) {
			cr_assert(le, "%s", sample->series);
			cr_assert_gt(strtod(le + 4, NULL), last_bound, "%s", sample->series);
			cr_assert_geq(sample->value, last_count, "%s", sample->series);
			last_bound = strtod(le + 4, NULL);
			last_count = sample->value;
		} else if (strncmp(suffix, "_count", 6) == 0) {
			cr_assert(isinf(last_bound), "%s", sample->series);
			cr_assert_eq(sample->value, last_count, "%s", sample->series);
			last_bound = -INFINITY;
			last_count = 0;
		}
	}
	cr_assert(isinf(last_bound) && last_bound < 0, "%s has no _count at its end", metric->name);
}

/** parsed_read() - read all of @text; free(3) the result. */
static inline struct parsed *parsed_read(const char *text)
{
	struct parsed *parsed = calloc(1, sizeof(*parsed));

	cr_assert(parsed);
	for (const char *line = text; *line;) {
		const size_t len = strcspn(line, "\n");

		cr_assert_eq(line[len], '\n', "the last line has no end");
		cr_assert_gt(len, 0, "an empty line");
		if (*line == '#')
			parsed_header(parsed, line, len);
		else
			parsed_line(parsed, line);
		line += len + 1;
	}
	for (size_t i = 0; i < parsed->n_metrics; i++)
		if (strcmp(parsed->metrics[i].type, "histogram") == 0)
			parsed_check_histogram(parsed, &parsed->metrics[i]);
	return parsed;
}

/** parsed_find() - the value of a series, as it is written; NAN when there is none. */
static inline double parsed_find(const struct parsed *parsed, const char *series)
{
	for (size_t i = 0; i < parsed->n_samples; i++)
		if (strcmp(parsed->samples[i].series, series) == 0)
			return parsed->samples[i].value;
	return NAN;
}

#endif
