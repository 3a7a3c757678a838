/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/buffer.h>
#include <math.h>
#include <stdio.h>

#include "http/histogram.h"
#include "http/metrics_text.h"
#include "util/cleanup.h"

#include "metrics_parse.h"

static const struct metric gauge = {"g", METRIC_GAUGE, "a\\b\nc \"d\""};
static const struct metric counter = {"c_total", METRIC_COUNTER, "count"};
static const struct metric histogram_metric = {"h", METRIC_HISTOGRAM, "spread"};
static const struct metric_labels none;

struct fixture {
	struct evbuffer *body;
	struct metrics_text text;
	char *result;
};

static struct fixture begin(void)
{
	struct fixture fixture = {.body = evbuffer_new()};

	cr_assert(fixture.body);
	fixture.text.body = fixture.body;
	return fixture;
}

static const char *result(struct fixture *fixture)
{
	const size_t len = evbuffer_get_length(fixture->body);

	cr_assert_eq(fixture->text.error, 0);
	fixture->result = calloc(1, len + 1);
	cr_assert_eq(evbuffer_remove(fixture->body, fixture->result, len), (int)len);
	return fixture->result;
}

static void clear(struct fixture *fixture)
{
	evbuffer_free(fixture->body);
	free(fixture->result);
}

Test(metrics_text, writes_help_and_type_once_and_escapes_both_ways)
{
	_cleanup_(clear) struct fixture fixture = begin();

	metrics_text_begin(&fixture.text, &gauge);
	metrics_text_value(&fixture.text, (struct metric_labels){{{"l", "a\"b\\c\nd"}}}, 1.5);
	metrics_text_value(&fixture.text, (struct metric_labels){{{"l", ""}, {"m", "x"}}}, -2);
	metrics_text_begin(&fixture.text, &counter);
	metrics_text_count(&fixture.text, none, UINT64_MAX);
	cr_assert_str_eq(result(&fixture), "# HELP g a\\\\b\\nc \"d\"\n# TYPE g gauge\n"
					   "g{l=\"a\\\"b\\\\c\\nd\"} 1.5\ng{l=\"\",m=\"x\"} -2\n"
					   "# HELP c_total count\n# TYPE c_total counter\n"
					   "c_total 18446744073709551615\n");
	free(parsed_read(fixture.result));
}

Test(metrics_text, writes_numbers_that_read_back_the_same)
{
	const struct {
		double value;
		const char *text;
	} numbers[] = {
		{0, "0"},
		{0.1, "0.1"},
		{1e-9, "1e-09"},
		{1795298400.123, "1795298400.123"},
		{1.0 / 3, "0.3333333333333333"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1e300, "1e+300"},
		{NAN, "NaN"},
		{INFINITY, "+Inf"},
		{-INFINITY, "-Inf"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		_cleanup_(clear) struct fixture fixture = begin();
		const char *value;

		metrics_text_begin(&fixture.text, &gauge);
		metrics_text_value(&fixture.text, none, numbers[i].value);
		value = strrchr(result(&fixture), ' ') + 1;
		cr_assert(strtod(value, NULL) == numbers[i].value || isnan(numbers[i].value), "%s",
			  value);
		cr_assert_eq(strncmp(value, numbers[i].text, strlen(numbers[i].text)), 0, "%s",
			     value);
	}
}

Test(metrics_text, a_histogram_counts_up_to_each_bound)
{
	_cleanup_(clear) struct fixture fixture = begin();
	struct histogram histogram = {};

	histogram_add_linear(&histogram, 0.25, 0.25, 2);
	histogram_add_exponential(&histogram, 1, 10, 2);
	histogram_observe(&histogram, 0.25); /* a bound belongs to its bucket */
	histogram_observe(&histogram, 0.5000001);
	histogram_observe(&histogram, 7);
	histogram_observe(&histogram, 100);
	metrics_text_begin(&fixture.text, &histogram_metric);
	metrics_text_histogram(&fixture.text, (struct metric_labels){{{"f", "4"}}}, &histogram);
	cr_assert_str_eq(result(&fixture),
			 "# HELP h spread\n# TYPE h histogram\n"
			 "h_bucket{f=\"4\",le=\"0.25\"} 1\nh_bucket{f=\"4\",le=\"0.5\"} 1\n"
			 "h_bucket{f=\"4\",le=\"1\"} 2\nh_bucket{f=\"4\",le=\"10\"} 3\n"
			 "h_bucket{f=\"4\",le=\"+Inf\"} 4\nh_sum{f=\"4\"} 107.7500001\n"
			 "h_count{f=\"4\"} 4\n");
	free(parsed_read(fixture.result));
}

Test(metrics_text, a_histogram_takes_no_more_bounds_than_it_has_room_for)
{
	struct histogram histogram = {};

	histogram_add_linear(&histogram, 1, 1, 10 * HISTOGRAM_MAX_BOUNDS);
	cr_assert_eq(histogram.n_bounds, HISTOGRAM_MAX_BOUNDS);
	histogram_observe(&histogram, 1e9);
	cr_assert_eq(histogram.counts[HISTOGRAM_MAX_BOUNDS], 1);
}
