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
struct device;
struct flow_numbers;
struct stale_udp_result;

#define DATAPATH_DEFAULT_PIN_DIR      "/sys/fs/bpf/svcbpf"
#define DATAPATH_DEFAULT_MAX_SERVICES 65536u
#define DATAPATH_DEFAULT_MAX_BACKENDS 1048576u
#define DATAPATH_DEFAULT_MAX_FLOWS    131072u

/**
 * enum datapath_xdp - where the XDP program runs: nowhere, in the device's driver, in the stack (on
 * any device), in the driver where it can.
 */
enum datapath_xdp {
	DATAPATH_XDP_OFF,
	DATAPATH_XDP_NATIVE,
	DATAPATH_XDP_GENERIC,
	DATAPATH_XDP_AUTO,
};

/**
 * struct datapath_options - how to open for writing; all strings borrowed for the call.
 * @pin_dir: folder on a bpffs; made when missing. @cgroup: folder of a cgroup v2 hierarchy.
 * @max_services: slots; @max_backends: entries of each family's backend array.
 * @max_flows: flows of each family through the packet path; 0: no packet path.
 * @packet: constants of its programs; unused without it.
 * @algorithm: SVC_ALGORITHM_*, for `svcbpf verify`.
 * @is_clsact: attach them as filters, also where the kernel has TCX.
 * @xdp: on uplinks, in front of them.
 * @node, @version: for dump and status.
 */
struct datapath_options {
	const char *pin_dir;
	const char *cgroup;
	uint32_t max_services;
	uint32_t max_backends;
	uint32_t max_flows;
	struct svc_packet_config packet;
	uint8_t algorithm;
	bool is_clsact;
	enum datapath_xdp xdp;
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
 * datapath_set_devices() - give these devices the packet programs, and no others.
 * @devices: as devices_get() gives them; borrowed for the call.
 * @budget_ms: how long to go on once uplinks are served; one device is always done.
 *
 * A device that has them keeps them, updated in place: no packet passes unseen. Call again when
 * the devices change, and now and then: what somebody else has detached is attached again. Does
 * nothing without the packet path.
 *
 * To attach or detach a TCX link the kernel waits for an RCU grace period, 10 to 40 ms, with the
 * network's lock held (Linux 6.18): hundreds of devices take seconds, in which the caller has other
 * things to do. Uplinks are served first, at once.
 * Return: 0: all is done; 1: datapath_set_more_devices() goes on; -ENOMEM; negative errno of
 * bpf(2): begin again.
 */
int datapath_set_devices(struct datapath *datapath, const struct device *devices, size_t n_devices,
			 uint32_t budget_ms);

/** datapath_set_more_devices() - go on with the last datapath_set_devices(). Return: likewise. */
int datapath_set_more_devices(struct datapath *datapath, uint32_t budget_ms);

/** datapath_n_devices() - how many devices datapath_set_devices() has served up to now; those that
 * could not be are told by datapath_for_each_problem() when all is done.
 */
size_t datapath_n_devices(const struct datapath *datapath);

/**
 * datapath_for_each_xdp() - call @fn for each uplink that XDP is asked for.
 * @text: "native", "generic", or why there is none.
 */
void datapath_for_each_xdp(const struct datapath *datapath,
			   void (*fn)(void *arg, const char *device, const char *text), void *arg);

/**
 * datapath_selftest() - a child process connects to a reserved VIP through the attached programs,
 * TCP and UDP. Blocks for up to two seconds. The result is kept for `svcbpf status`.
 * Return: 0; -EHOSTUNREACH when a connect was not translated; other negative errno.
 */
int datapath_selftest(struct datapath *datapath, struct datapath_error *ret_error);

/**
 * datapath_cleanup() - detach and unpin everything under @pin_dir, the directory included.
 * Return: 0; -ENOENT when there is nothing; -EBUSY while an agent runs; -EXDEV: it has tc filters
 * in another network namespace than the caller's; negative errno.
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

/** datapath_reader_is_elsewhere() - whether the agent's network namespace, that of its devices, is
 * not the caller's.
 */
bool datapath_reader_is_elsewhere(const struct datapath_reader *reader);

/**
 * datapath_read_state() - all service ports, as state_sort() leaves them; the agent's own self-test
 * is left out. Taken between two syncs (read again when one came in between, up to ten times).
 * Return: 0; -EAGAIN when the agent was too busy for that; -ENOMEM; negative errno of bpf(2). Free
 * with state_free().
 */
int datapath_read_state(const struct datapath_reader *reader, struct state **ret);

/**
 * datapath_read_families() - whether there are Services of IPv4 and of IPv6, the agent's own
 * self-test left out. Return: 0 or negative errno.
 */
int datapath_read_families(const struct datapath_reader *reader, bool ret_has[2]);

/**
 * datapath_reader_check_tables() - from now on datapath_read_state() looks into Maglev tables too,
 * a millisecond each: one that does not fit its list counts as not there. Takes CAP_SYS_ADMIN.
 */
void datapath_reader_check_tables(struct datapath_reader *reader);

/** struct datapath_affinity - an entry of the affinity table, names resolved. */
struct datapath_affinity {
	struct service_port_key key; /* borrowed for the call */
	uint64_t netns_cookie;	     /* of a client at a socket of this host, else 0 */
	struct addr client;	     /* of one the packet path knows, else family ADDR_NONE */
	struct backend backend;	     /* family ADDR_NONE: no longer in the list */
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

/** struct datapath_link - a program on the cgroup. */
struct datapath_link {
	const char *name; /* of the link's pin, borrowed for the call */
	uint32_t program_id;
	uint64_t cgroup_id; /* 0: the cgroup is gone and the link is defunct */
};

/** datapath_read_links() - call @fn for each pinned link of a cgroup. Return: 0 or negative errno.
 */
int datapath_read_links(const char *pin_dir,
			void (*fn)(void *arg, const struct datapath_link *link), void *arg);

#define DATAPATH_DEVICE_NAME_BYTES 16

/** enum datapath_hook - how a packet program hangs on its device. */
enum datapath_hook { DATAPATH_HOOK_NONE, DATAPATH_HOOK_TCX, DATAPATH_HOOK_CLSACT };

/**
 * struct datapath_device - a device that should have the packet programs.
 * @name: as this network namespace knows it; "" when it is not there.
 * @value: its entry in the map devices.
 * @ingress, @egress: DATAPATH_HOOK_NONE: the program is not there (any more).
 * @xdp: DATAPATH_XDP_OFF, _NATIVE, _GENERIC: where the XDP program is.
 * @ingress_program_id, @egress_program_id, @xdp_program_id: 0: none.
 */
struct datapath_device {
	uint32_t ifindex;
	char name[DATAPATH_DEVICE_NAME_BYTES];
	struct svc_device value;
	enum datapath_hook ingress;
	enum datapath_hook egress;
	uint32_t ingress_program_id;
	uint32_t egress_program_id;
	enum datapath_xdp xdp;
	uint32_t xdp_program_id;
};

/** datapath_read_devices() - call @fn for each, in order of ifindex. Return: 0, also without the
 * packet path; negative errno or what @fn returned. */
int datapath_read_devices(const struct datapath_reader *reader,
			  int (*fn)(void *arg, const struct datapath_device *device), void *arg);

/* ------------------------------------------------------------------ the same for the agent itself
 */

/** datapath_counters() - as datapath_read_counters(). */
int datapath_counters(const struct datapath *datapath, struct datapath_counter *ret);

/** datapath_fill() - as datapath_read_fill(). */
int datapath_fill(const struct datapath *datapath,
		  void (*fn)(void *arg, const struct datapath_map_fill *fill), void *arg);

/**
 * datapath_flow_numbers() - what is known of the flow table (flow_collector.h).
 * Return: false without the packet path.
 */
bool datapath_flow_numbers(const struct datapath *datapath, struct flow_numbers *ret_numbers);

/**
 * struct datapath_device_counters - what the packet programs did on a device.
 * @name: borrowed for the call. Devices whose ifindexes differ by a multiple of SVC_DEVICE_SLOTS
 *	share their counters, and are told together: "eth0,veth7".
 */
struct datapath_device_counters {
	const char *name;
	struct svc_device_counters n;
};

/** datapath_device_counters() - call @fn for each device that has the programs. Return: 0, also
 * without the packet path; -ENOMEM; negative errno of bpf(2). */
int datapath_device_counters(const struct datapath *datapath,
			     void (*fn)(void *arg, const struct datapath_device_counters *counters),
			     void *arg);

/** datapath_meta() - the meta record, borrowed, live. */
const struct svc_meta *datapath_meta(const struct datapath *datapath);

#endif
