/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datapath as the rest of user space sees it: pinned maps and programs of one pin directory.
 *
 * Two users: the agent opens it for writing (struct datapath), the inspector reads what is pinned
 * (datapath_read_*), also while no agent runs.
 */
#ifndef SVCBPF_DATAPATH_DATAPATH_H
#define SVCBPF_DATAPATH_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/state.h"
#include "svcbpf/abi.h"

struct datapath;
struct stale_udp_result;

#define DATAPATH_DEFAULT_PIN_DIR      "/sys/fs/bpf/svcbpf"
#define DATAPATH_DEFAULT_MAX_SERVICES 65536u
#define DATAPATH_DEFAULT_MAX_BACKENDS 1048576u

/**
 * struct datapath_options - how to open for writing; all strings borrowed for the call.
 * @pin_dir: folder on a bpffs; made when missing. @cgroup: folder of a cgroup v2 hierarchy.
 * @max_services: slots; @max_backends: entries of each family's backend array.
 * @max_flows: flows of each family through the packet path; 0: no packet path.
 * @node, @version: for dump and status.
 */
struct datapath_options {
	const char *pin_dir;
	const char *cgroup;
	uint32_t max_services;
	uint32_t max_backends;
	uint32_t max_flows;
	const char *node;
	const char *version;
};

/**
 * struct datapath_error - one line for the user: what failed, where, what to do.
 */
struct datapath_error {
	char text[512];
};

/**
 * datapath_open() - lock the pin directory, adopt the maps of this ABI that are there or make new
 * ones, load the programs. Nothing is attached or changed yet.
 *
 * @ret_error: filled in on every failure.
 * Return: 0; -EBUSY: another agent holds the lock; -EPERM: a capability is missing; -EOPNOTSUPP:
 * the kernel lacks something that cannot be replaced; -ENOMEM; other errors of bpf(2).
 */
int datapath_open(const struct datapath_options *options, struct datapath **ret,
		  struct datapath_error *ret_error);

/** datapath_close() - give up the lock; pinned maps and links stay and go on working. NULL is fine.
 */
void datapath_close(struct datapath *datapath);

/** datapath_set_zone() - remember the node's zone for dump. */
void datapath_set_zone(struct datapath *datapath, const char *zone);

/**
 * struct datapath_source - where the Services come from, for `svcbpf status`.
 * @kind, @state: SVC_SOURCE_*.  @contact_ns: as struct svc_meta.source_contact_ns.
 * @name: the API server's URL or the first manifest, borrowed for the call.
 */
struct datapath_source {
	uint32_t kind;
	uint32_t state;
	uint64_t contact_ns;
	const char *name;
};

/** datapath_set_source() - remember the source for status. */
void datapath_set_source(struct datapath *datapath, const struct datapath_source *source);

/**
 * datapath_adopted_ns() - when what was adopted from an agent before this one was last known to be
 * what the source says. CLOCK_REALTIME; 0: nothing was adopted.
 */
uint64_t datapath_adopted_ns(const struct datapath *datapath);

/**
 * datapath_put() - stage a service port for the next datapath_commit().
 * @port: borrowed until then.
 * Return: 0; -ENAMETOOLONG when a name does not fit struct svc_service_info; -ENOMEM.
 */
int datapath_put(struct datapath *datapath, const struct service_port *port);

/** datapath_remove() - stage the removal of a service port. @key: borrowed until datapath_commit().
 */
int datapath_remove(struct datapath *datapath, const struct service_port_key *key);

/** datapath_put_health() - stage a health check; @check->node_port 0 removes it. Copied. */
int datapath_put_health(struct datapath *datapath, const struct health_check *check);

/**
 * datapath_commit() - write what is staged, in the order of design section 4: readers see the old
 * Service or the new one. Blocks that are no longer used come back after a grace period, which a
 * thread waits for.
 * @is_complete: the staged service ports are all there are: everything else that was adopted is
 *	deleted. Pass true once, with the first complete list.
 *
 * A service port that does not fit keeps its old state and becomes a problem; all others are
 * written. Blocks for up to one grace period when the last commit deleted frontends just before.
 * Return: 0; negative errno of bpf(2) when the kernel refused a write: what it belongs to stays
 * staged, and the next commit tries it again.
 */
int datapath_commit(struct datapath *datapath, bool is_complete);

/**
 * datapath_grace_fd() - readable when datapath_grace_done() has something to do; for the event
 * loop. Return: borrowed file descriptor.
 */
int datapath_grace_fd(const struct datapath *datapath);

/** datapath_grace_done() - take back what a finished grace period has freed. */
void datapath_grace_done(struct datapath *datapath);

/**
 * datapath_wants_commit() - whether something came free that service ports which did not fit may
 * use now: datapath_commit(datapath, false) tries them again. Ask after datapath_grace_done().
 */
bool datapath_wants_commit(const struct datapath *datapath);

/** datapath_n_written() - single writes to maps by the last datapath_commit(). */
uint64_t datapath_n_written(const struct datapath *datapath);

/** datapath_for_each_problem() - service ports that could not be programmed; arguments as in
 * model.h. */
void datapath_for_each_problem(const struct datapath *datapath,
			       void (*fn)(void *arg, const char *service, const char *text),
			       void *arg);

/**
 * datapath_stale_udp() - what the sweeps for stale UDP sockets (rule R39) did, all together.
 * Return: false when there was none yet, or the kernel cannot destroy sockets.
 */
bool datapath_stale_udp(const struct datapath *datapath, struct stale_udp_result *ret_result);

/**
 * datapath_set_problems() - keep these lines for `svcbpf status` (at most SVC_MAX_PROBLEMS).
 * @lines: borrowed for the call.
 */
int datapath_set_problems(struct datapath *datapath, const char *const *lines, size_t n_lines);

/**
 * datapath_set_node_addresses() - replace the addresses NodePorts answer on, and the loopback ones.
 * @addrs: local addresses; 127.0.0.1 stands for all of 127.0.0.0/8.
 * Return: 0 or negative errno.
 */
int datapath_set_node_addresses(struct datapath *datapath, const struct addr *addrs,
				size_t n_addrs);

/**
 * datapath_attach() - put the programs on the cgroup: pinned links already there are updated in
 * place (no connect is missed), others are made and pinned. Call after the first complete commit.
 * Return: 0; -EPERM with a foreign exclusive program on the cgroup or without CAP_NET_ADMIN.
 */
int datapath_attach(struct datapath *datapath, struct datapath_error *ret_error);

/**
 * datapath_selftest() - a child process connects to a reserved VIP through the attached programs,
 * TCP and UDP. Blocks for up to two seconds. The result is kept for `svcbpf status`.
 * Return: 0; -EHOSTUNREACH when a connect was not translated; other negative errno.
 */
int datapath_selftest(struct datapath *datapath, struct datapath_error *ret_error);

/**
 * datapath_cleanup() - detach and unpin everything under @pin_dir, the directory included.
 * Return: 0; -ENOENT when there is nothing; -EBUSY while an agent runs; negative errno.
 */
int datapath_cleanup(const char *pin_dir, struct datapath_error *ret_error);

/* ------------------------------------------------------------------ reading what is pinned */

/**
 * struct datapath_reader - the pinned maps of a pin directory, read-only.
 */
struct datapath_reader;

/**
 * datapath_reader_open() - open the pinned maps.
 * Return: 0; -ENOENT: nothing is pinned there; -EPROTO: pinned by another ABI; -EPERM.
 */
int datapath_reader_open(const char *pin_dir, struct datapath_reader **ret,
			 struct datapath_error *ret_error);

/** datapath_reader_close() - NULL is fine. */
void datapath_reader_close(struct datapath_reader *reader);

/** datapath_reader_meta() - the meta record, borrowed, live. */
const struct svc_meta *datapath_reader_meta(const struct datapath_reader *reader);

/** datapath_reader_is_running() - whether an agent holds the pin directory's lock. */
bool datapath_reader_is_running(const struct datapath_reader *reader);

/**
 * datapath_read_state() - all service ports, as state_sort() leaves them; the agent's own self-test
 * is left out. Taken between two syncs (read again when one came in between, up to ten times).
 * Return: 0; -EAGAIN when the agent was too busy for that; -ENOMEM; negative errno of bpf(2). Free
 * with state_free().
 */
int datapath_read_state(const struct datapath_reader *reader, struct state **ret);

/** struct datapath_affinity - an entry of the affinity table, names resolved. */
struct datapath_affinity {
	struct service_port_key key; /* borrowed for the call */
	uint64_t netns_cookie;
	struct backend backend; /* family ADDR_NONE: no longer in the list */
	uint64_t age_ms;
	uint32_t timeout_s;
};

/** datapath_read_affinity() - call @fn for each entry. Return: 0, negative errno or what @fn
 * returned. */
int datapath_read_affinity(const struct datapath_reader *reader,
			   int (*fn)(void *arg, const struct datapath_affinity *entry), void *arg);

/** datapath_read_node_addresses() - call @fn for each. Return: 0, negative errno or what @fn
 * returned. */
int datapath_read_node_addresses(const struct datapath_reader *reader,
				 int (*fn)(void *arg, const struct addr *addr, bool is_loopback),
				 void *arg);

/** struct datapath_counter - one counter of counters.h, summed over CPUs. */
struct datapath_counter {
	const char *name;
	const char *help;
	uint64_t value;
};

/** datapath_read_counters() - all counters, in order. @ret: array of SVC_N_COUNTERS. Return: 0 or
 * negative errno. */
int datapath_read_counters(const struct datapath_reader *reader, struct datapath_counter *ret);

/** datapath_read_problem() - the text of problem @index (below meta's n_problems). Return: 0 or
 * negative errno. */
int datapath_read_problem(const struct datapath_reader *reader, uint32_t index,
			  char ret_text[sizeof(struct svc_problem)]);

/** struct datapath_map_fill - how full a map is. @name: borrowed, static. */
struct datapath_map_fill {
	const char *name;
	uint64_t n_used;
	uint64_t n_max;
};

/** datapath_read_fill() - call @fn for each map that can fill up. Return: 0 or negative errno. */
int datapath_read_fill(const struct datapath_reader *reader,
		       void (*fn)(void *arg, const struct datapath_map_fill *fill), void *arg);

/** struct datapath_link - an attached program. */
struct datapath_link {
	const char *name; /* of the link's pin, borrowed for the call */
	uint32_t program_id;
	uint64_t cgroup_id; /* 0: the cgroup is gone and the link is defunct */
};

/** datapath_read_links() - call @fn for each pinned link. Return: 0 or negative errno. */
int datapath_read_links(const char *pin_dir,
			void (*fn)(void *arg, const struct datapath_link *link), void *arg);

/* ------------------------------------------------------------------ the same for the agent itself
 */

/** datapath_counters() - as datapath_read_counters(). */
int datapath_counters(const struct datapath *datapath, struct datapath_counter *ret);

/** datapath_fill() - as datapath_read_fill(). */
int datapath_fill(const struct datapath *datapath,
		  void (*fn)(void *arg, const struct datapath_map_fill *fill), void *arg);

/** datapath_meta() - the meta record, borrowed, live. */
const struct svc_meta *datapath_meta(const struct datapath *datapath);

#endif
