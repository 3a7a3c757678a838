/* SPDX-License-Identifier: Apache-2.0 */
/* A strict JSON scanner that allocates nothing: finds where values begin and end. */
#ifndef SVCBPF_SOURCE_JSON_SCAN_H
#define SVCBPF_SOURCE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct json_scan - a place in a JSON text.
 * @at, @end: what is left.
 * @n_values: values begun so far, in the order of the text: an object before its members.
 * @wanted: remember where the value of this number begins (counted from 1); 0: none.
 * @found: where the wanted value begins; NULL as long as it was not seen.
 * @error: what is wrong at @at; NULL: nothing yet.
 */
struct json_scan {
	const char *at;
	const char *end;
	size_t n_values;
	size_t wanted;
	const char *found;
	const char *error;
};

/** json_scan_space() - skip white space. Return: whether anything is left. */
bool json_scan_space(struct json_scan *scan);

/**
 * json_scan_value() - skip white space and one whole value.
 * @depth: how deep the value is, 0 at the top; PARSE_MAX_DEPTH is the limit.
 * Return: whether there was a good one; else @scan->error and @scan->at say why and where.
 */
bool json_scan_value(struct json_scan *scan, int depth);

/**
 * json_scan_each() - walk through the elements of the object or array that begins here.
 * @fn: called with @scan before each value; must skip the value by json_scan_value() or
 *	json_scan_each(); @key (with quotes, @key_len bytes) is NULL in an array.
 * Return: as json_scan_value(); false, too, when @fn returned false.
 */
bool json_scan_each(struct json_scan *scan, int depth,
		    bool (*fn)(void *arg, struct json_scan *scan, const char *key, size_t key_len),
		    void *arg);

#endif
