/* SPDX-License-Identifier: Apache-2.0 */
/* How values are spread over fixed bounds, as Prometheus counts them. */
#ifndef SVCBPF_HTTP_HISTOGRAM_H
#define SVCBPF_HTTP_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/** HISTOGRAM_MAX_BOUNDS - no histogram has more. */
#define HISTOGRAM_MAX_BOUNDS 96

/**
 * struct histogram - zero it, then add bounds.
 * @bounds: upper bounds, ascending, @n_bounds of them; the last bucket has none.
 * @counts: values in each bucket alone: above the bound before, not above its own.
 */
struct histogram {
	double bounds[HISTOGRAM_MAX_BOUNDS];
	size_t n_bounds;
	uint64_t counts[HISTOGRAM_MAX_BOUNDS + 1];
	double sum;
};

/**
 * histogram_add_linear() - add @n bounds: @first, @first + @step, ...; above those there are.
 * Bounds beyond HISTOGRAM_MAX_BOUNDS are left out.
 */
void histogram_add_linear(struct histogram *histogram, double first, double step, size_t n);

/** histogram_add_exponential() - the same with @first, @first * @factor, ... */
void histogram_add_exponential(struct histogram *histogram, double first, double factor, size_t n);

/** histogram_observe() - count one value. */
void histogram_observe(struct histogram *histogram, double value);

#endif
