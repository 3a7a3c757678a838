/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of `svcbpf dump` other than frontends. */
#ifndef SVCBPF_CMD_DUMP_KINDS_H
#define SVCBPF_CMD_DUMP_KINDS_H

#include "cmd/options.h"
#include "cmd/print_doc.h"
#include "datapath/datapath.h"

/**
 * dump_backends() - add "backends": every distinct backend and how many frontends use it.
 * @service: "namespace/name" or NULL for all.  @title: heading of the table, or NULL.
 * Return: 0; -ENOMEM.
 */
int dump_backends(struct print_doc *doc, const struct state *state, const char *service,
		  const char *title);

/** dump_affinity() - add "affinity": which client is kept on which backend. */
int dump_affinity(struct print_doc *doc, const struct datapath_reader *reader, const char *service,
		  const char *title);

/**
 * dump_conntrack() - add "flows": what the packet path translates, as @options choose, and after it
 * "more": how many flows beyond the limit are not shown.
 */
int dump_conntrack(struct print_doc *doc, const struct datapath_reader *reader,
		   const struct options *options, const char *title);

/** dump_nodes() - add "nodeAddresses": the addresses NodePorts answer on. */
int dump_nodes(struct print_doc *doc, const struct datapath_reader *reader, const char *title);

/** dump_stats() - add "counters". */
int dump_stats(struct print_doc *doc, const struct datapath_reader *reader, const char *title);

#endif
