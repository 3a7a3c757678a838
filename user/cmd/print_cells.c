/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/print_cells.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Backends shown in a narrow table when there are more than that. */
#define FEW_BACKENDS 2

static const char *row_string(const cJSON *row, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, key));
}

static int row_number(const cJSON *row, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);

	return item ? item->valueint : 0;
}

static void write_endpoint(FILE *out, const cJSON *row)
{
	const char *address = row_string(row, "address");
	const bool is_ipv6 = address && strchr(address, ':');

	fprintf(out, "%s%s%s:%d", is_ipv6 ? "[" : "", address ? address : "*", is_ipv6 ? "]" : "",
		row_number(row, "port"));
}

/* Close a stream of open_memstream(3), which tells only now that memory ran out. */
static int take_stream(FILE **stream, char **text, char **ret_text)
{
	FILE *out = TAKE_PTR(*stream);

	if (fclose(out))
		return -ENOMEM;
	*ret_text = TAKE_PTR(*text);
	return 0;
}

int print_cell_endpoint(const cJSON *row, char **ret_text)
{
	_free_ char *text = NULL;
	_fclose_ FILE *out = NULL;
	size_t len_bytes;

	out = open_memstream(&text, &len_bytes);
	if (!out)
		return -ENOMEM;
	write_endpoint(out, row);
	return take_stream(&out, &text, ret_text);
}

int print_cell_affinity(const cJSON *row, char **ret_text)
{
	int seconds = row_number(row, "affinitySeconds");

	if (!seconds)
		return (*ret_text = strdup("-")) ? 0 : -ENOMEM;
	return asprintf(ret_text, "%ds", seconds) < 0 ? -ENOMEM : 0;
}

int print_cell_source_ranges(const cJSON *row, char **ret_text)
{
	const cJSON *ranges = cJSON_GetObjectItemCaseSensitive(row, "sourceRanges");
	_free_ char *text = NULL;
	_fclose_ FILE *out = NULL;
	const char *separator = "";
	const cJSON *range;
	size_t len_bytes;

	out = open_memstream(&text, &len_bytes);
	if (!out)
		return -ENOMEM;
	cJSON_ArrayForEach(range, ranges) {
		fprintf(out, "%s%s", separator, range->valuestring);
		separator = " ";
	}
	if (!*separator)
		fputc('-', out);
	return take_stream(&out, &text, ret_text);
}

static void write_backend(FILE *out, const cJSON *backend, bool is_wide)
{
	const char *state = row_string(backend, "state");

	write_endpoint(out, backend);
	if (is_wide && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(backend, "local")))
		fputs("(local)", out);
	if (state && strcmp(state, "terminating") == 0)
		fputs("(terminating)", out);
}

/* @n_shown: how many to write before "+N" stands for the rest. */
static void write_backends(FILE *out, const cJSON *backends, size_t n_shown, bool is_wide)
{
	size_t n_left = (size_t)cJSON_GetArraySize(backends);
	const char *separator = "";
	const cJSON *backend;

	cJSON_ArrayForEach(backend, backends) {
		if (n_shown-- == 0) {
			fprintf(out, " +%zu", n_left);
			return;
		}
		fputs(separator, out);
		write_backend(out, backend, is_wide);
		separator = " ";
		n_left--;
	}
}

static int cell_backends(const cJSON *row, const char *key, bool is_wide, char **ret_text)
{
	const cJSON *backends = cJSON_GetObjectItemCaseSensitive(row, key);
	size_t n = (size_t)cJSON_GetArraySize(backends);
	const char *no_backends = row_string(row, "noBackends");
	_free_ char *text = NULL;
	_fclose_ FILE *out = NULL;
	size_t len_bytes;

	out = open_memstream(&text, &len_bytes);
	if (!out)
		return -ENOMEM;
	if (!backends)
		fputc('-', out);
	else if (n)
		write_backends(out, backends,
			       is_wide || n <= FEW_BACKENDS + 1 ? SIZE_MAX : FEW_BACKENDS, is_wide);
	else
		fprintf(out, "none (%s)", no_backends ? no_backends : "reject");
	return take_stream(&out, &text, ret_text);
}

int print_cell_few_backends(const cJSON *row, char **ret_text)
{
	return cell_backends(row, "backends", false, ret_text);
}

int print_cell_all_backends(const cJSON *row, char **ret_text)
{
	return cell_backends(row, "backends", true, ret_text);
}

int print_cell_cluster_backends(const cJSON *row, char **ret_text)
{
	return cell_backends(row, "clusterBackends", true, ret_text);
}
