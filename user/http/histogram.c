/* SPDX-License-Identifier: Apache-2.0 */
#include "http/histogram.h"

static void add_bound(struct histogram *histogram, double bound)
{
	if (histogram->n_bounds < HISTOGRAM_MAX_BOUNDS)
		histogram->bounds[histogram->n_bounds++] = bound;
}

void histogram_add_linear(struct histogram *histogram, double first, double step, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_bound(histogram, first + step * (double)i);
}

void histogram_add_exponential(struct histogram *histogram, double first, double factor, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add_bound(histogram, first);
		first *= factor;
	}
}

void histogram_observe(struct histogram *histogram, double value)
{
	size_t i = 0;

	while (i < histogram->n_bounds && value > histogram->bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += value;
}
