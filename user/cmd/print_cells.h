/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of the frontends' table, made from the JSON row; for struct print_column.text. */
#ifndef SVCBPF_CMD_PRINT_CELLS_H
#define SVCBPF_CMD_PRINT_CELLS_H

#include <cjson/cJSON.h>

/** print_cell_endpoint() - "address:port" of a row; "*:port" without an address. */
int print_cell_endpoint(const cJSON *row, char **ret_text);

/** print_cell_affinity() - "10800s", "-" without affinity. */
int print_cell_affinity(const cJSON *row, char **ret_text);

/** print_cell_source_ranges() - all of them, "-" when there are none. */
int print_cell_source_ranges(const cJSON *row, char **ret_text);

/** print_cell_few_backends() - two backends and how many more; what happens when there are none. */
int print_cell_few_backends(const cJSON *row, char **ret_text);

/** print_cell_all_backends() - all backends, with "(local)" and "(terminating)". */
int print_cell_all_backends(const cJSON *row, char **ret_text);

/** print_cell_cluster_backends() - the same for "clusterBackends", "-" when that is not there. */
int print_cell_cluster_backends(const cJSON *row, char **ret_text);

#endif
