/* SPDX-License-Identifier: Apache-2.0 */
/* struct datapath, for the files that implement datapath.h and for their tests. */
#ifndef SVCBPF_DATAPATH_INTERNAL_H
#define SVCBPF_DATAPATH_INTERNAL_H

#include "datapath/datapath.h"
#include "datapath/flow_collector.h"
#include "datapath/grace.h"
#include "datapath/maps.h"
#include "datapath/object.h"
#include "datapath/packet_path.h"
#include "datapath/selftest.h"
#include "datapath/shadow.h"
#include "datapath/stage.h"
#include "datapath/sweeper.h"

/**
 * struct datapath - an agent's hold on a pin directory.
 * @note: about capacities that differ from the options; "" when there is nothing to say.
 * @object: the loaded programs; NULL when opened without them.
 * @packet_path: NULL without one.
 * @selftest: NULL when its sockets could not be opened; @selftest_error says why.
 * @seq: last grace period asked for.  @deleted_seq: the one that ends the last deletion from
 *	node_addrs or a frontend table; 0: it has passed. Nothing may be inserted into node_addrs
 *	before it, as the kernel reuses deleted elements of a hash at once.
 * @is_settled: what a crash may have left was cleared.
 * @collector: NULL without the packet path.
 * @is_complete: a complete commit was made.  @is_sweep_due: the commit under way added to @sweeper
 *	or @collector.
 * @has_space: something came free since the last commit.
 * @n_written: by the last commit.
 * @adopted_ns: see datapath_adopted_ns().
 */
struct datapath {
	char *pin_dir;
	char *cgroup;
	int lock_fd;
	char note[256];
	struct maps maps;
	struct shadow shadow;
	struct stage stage;
	struct grace *grace;
	struct sweeper *sweeper;
	struct flow_collector *collector;
	struct object *object;
	struct packet_path *packet_path;
	struct selftest *selftest;
	int selftest_error;
	uint64_t seq;
	uint64_t deleted_seq;
	bool is_settled;
	bool is_complete;
	bool is_sweep_due;
	bool has_space;
	uint64_t n_written;
	uint64_t adopted_ns;
};

/**
 * datapath_open_unloaded() - datapath_open() without the programs: nothing can be attached.
 */
int datapath_open_unloaded(const struct datapath_options *options, struct datapath **ret,
			   struct datapath_error *ret_error);

#endif
