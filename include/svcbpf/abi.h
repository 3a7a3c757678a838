/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The binary contract between the BPF programs and user space: every map key and value.
 *
 * BPF sources include vmlinux.h before this header; user space gets the __u* types from
 * <linux/types.h>. Fields named *_be or typed __be* are in network order, all others in host
 * order. Any change of layout or meaning bumps SVC_ABI_VERSION.
 *
 * How a connect finds its backend, one cache line a step:
 *
 *	addr_filter bit -> frontends{4,6}: list word -> backends{4,6}[base + random]
 *
 * What few connects ask for (affinity, the list for clients outside) is in services[slot].
 *
 * Who writes: the agent alone writes frontends, services, backends, ids, info and filters. Blocks
 * of backends are written before they are published and reused only after an RCU grace period, and
 * what changes together in a Service is one aligned 8-byte word ("list words").
 */
#ifndef SVCBPF_ABI_H
#define SVCBPF_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/** SVC_ABI_VERSION - layout and meaning of everything in this header; part of the pin path. */
#define SVC_ABI_VERSION 3u

/** SVC_META_MAGIC - first word of struct svc_meta, "SVCB". */
#define SVC_META_MAGIC 0x42435653u

/**
 * SVC_BYPASS_MARK - a socket with exactly this SO_MARK is never translated.
 *
 * For health checkers that must reach a node or backend address itself; see socket(7).
 */
#define SVC_BYPASS_MARK 0x53564342u

/** SVC_LIST_MAX_BACKENDS - most backends in one list: the count in a list word has 16 bits. */
#define SVC_LIST_MAX_BACKENDS 65535u

/**
 * SVC_ADDR_FILTER_WORDS - 64-bit words of addr_filter: 65,536 bits for IPv4, then 65,536 for IPv6.
 *
 * An address that is no frontend but meets the bit of one costs a look into a cold bucket: 1 in 7
 * with 10,000 addresses of its family. Eight times the bits are no better: they are colder.
 */
#define SVC_ADDR_FILTER_WORDS 2048u

/** SVC_PORT_FILTER_WORDS - 64-bit words of nodeport_filter: a bit for each port. */
#define SVC_PORT_FILTER_WORDS 1024u

/** SVC_REV_SLOTS - sockets with a reverse translation outside sk_storage; a power of two. */
#define SVC_REV_SLOTS 65536u

/** SVC_MAX_PROBLEMS - lines kept for `svcbpf status` about Services that are not as asked. */
#define SVC_MAX_PROBLEMS 64u

/* Address families as stored in maps: the IP version, never AF_*. */
#define SVC_FAMILY_IPV4 4
#define SVC_FAMILY_IPV6 6

/* What a frontend key stands for. */
#define SVC_SCOPE_ADDRESS  0 /* this address and port */
#define SVC_SCOPE_NODEPORT 1 /* this port on every address in node_addrs; the address is zero */

/* Kubernetes type of a frontend, in the order in which one Service prefers them for one key. */
#define SVC_TYPE_CLUSTER_IP    1
#define SVC_TYPE_EXTERNAL_IP   2
#define SVC_TYPE_LOAD_BALANCER 3
#define SVC_TYPE_NODE_PORT     4

/**
 * SVC_FRONTEND_MAX_PROBES - buckets looked at for one frontend; the agent stores none farther away.
 */
#define SVC_FRONTEND_MAX_PROBES 128

/**
 * struct svc_frontend4 - key of an IPv4 frontend; never zero as a number, for protocol is not.
 * @addr: network order; zero with SVC_SCOPE_NODEPORT.
 * @port: network order.
 * @protocol: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.
 * @scope: SVC_SCOPE_*.
 */
struct svc_frontend4 {
	__be32 addr;
	__be16 port;
	__u8 protocol;
	__u8 scope;
};
_Static_assert(sizeof(struct svc_frontend4) == 8, "ABI");

/**
 * struct svc_frontend6 - key of an IPv6 frontend: as struct svc_frontend4.
 * @addr: network order; zero with SVC_SCOPE_NODEPORT.
 */
struct svc_frontend6 {
	__be32 addr[4];
	__be16 port;
	__u8 protocol;
	__u8 scope;
};
_Static_assert(sizeof(struct svc_frontend6) == 20, "ABI");

/**
 * struct svc_route - what a frontend leads to, beside its key.
 * @list: list word for clients in the cluster, all sockets of this host included: the frontend's
 *	policy applied for a ClusterIP, the Cluster list for external frontends (R28).
 * @slot: index in services, never 0.
 * @service_id: as in struct svc_service.
 *
 * @list is replaced with one store, after @service_id.
 */
struct svc_route {
	__u64 list;
	__u32 slot;
	__u32 service_id;
};
_Static_assert(sizeof(struct svc_route) == 16, "ABI");

/*
 * The frontend tables, frontends4 and frontends6: open hash tables in mmapable ARRAYs of one cache
 * line a bucket. A frontend lives in the bucket its hash names (svcbpf/hash.h) or, when that is
 * full, in one of the next; n_overflow counts the entries that had to go on from here.
 *
 * The agent alone writes, through its mapping: an entry is filled in before its key (IPv6: its
 * tail) is published with one store, its route may be replaced word by word, and after its key was
 * cleared it is not used again before a grace period has passed.
 */
#define SVC_BUCKET4_ENTRIES 2
#define SVC_BUCKET6_ENTRIES 1

/**
 * struct svc_bucket4 - value of frontends4.
 * @keys: struct svc_frontend4 as a number in memory order; 0: free.
 * @pad: zero.
 */
struct svc_bucket4 {
	__u64 keys[SVC_BUCKET4_ENTRIES];
	struct svc_route routes[SVC_BUCKET4_ENTRIES];
	__u32 n_overflow;
	__u32 pad[3];
};
_Static_assert(sizeof(struct svc_bucket4) == 64, "ABI");

/**
 * struct svc_bucket6 - value of frontends6.
 * @addrs: the address of each entry.
 * @tails: {port, protocol, scope} as a number in memory order; 0: free.
 * @pad: zero.
 */
struct svc_bucket6 {
	__be32 addrs[SVC_BUCKET6_ENTRIES][4] __attribute__((aligned(8)));
	__u32 tails[SVC_BUCKET6_ENTRIES];
	__u32 n_overflow;
	struct svc_route routes[SVC_BUCKET6_ENTRIES];
	__u32 pad[6];
};
_Static_assert(sizeof(struct svc_bucket6) == 64, "ABI");

/*
 * A list word: base (bits 0-31, first index in backends{4,6}), count (bits 32-47), flags (48-63).
 * Published with one release store, read with one load: base and count always belong together.
 */
#define SVC_LIST_F_DROP                                                                            \
	0x1u /* when count is 0: traffic is dropped (rule R26), not rejected (R25) */
#define SVC_LIST_F_AFFINITY 0x2u /* in struct svc_route: services[slot].affinity_s is not 0 */

static inline __u64 svc_list_pack(__u32 base, __u32 count, __u32 flags)
{
	return (__u64)base | (__u64)(count & 0xffffu) << 32 | (__u64)flags << 48;
}

static inline __u32 svc_list_base(__u64 list)
{
	return (__u32)list;
}

static inline __u32 svc_list_count(__u64 list)
{
	return (__u32)(list >> 32) & 0xffffu;
}

static inline __u32 svc_list_flags(__u64 list)
{
	return (__u32)(list >> 48);
}

/* struct svc_service.flags */
#define SVC_F_POLICY_LOCAL  0x1u /* the frontend's policy is Local (rules R15, R24) */
#define SVC_F_SOURCE_RANGES 0x2u /* LoadBalancer IP, source_ranges has service_id (R14, R31) */
#define SVC_F_SELFTEST	    0x4u /* the agent's own: hidden from dump and verify */
#define SVC_F_MAGLEV	    0x8u /* maglev has a table for service_id, fitting policy_list */

/**
 * struct svc_service - value of services (ARRAY, mmapable), index: slot.
 * @policy_list: list word for clients outside the cluster: the frontend's policy applied (R24).
 * @service_id: service port this slot belongs to, key of service_info and affinity; 0: slot unused.
 * @affinity_s: ClientIP affinity timeout in seconds (R18); 0: none.
 * @type: SVC_TYPE_*.
 * @flags: SVC_F_*.
 * @family: SVC_FAMILY_*.
 * @protocol: IPPROTO_*.
 * @pad: zero.
 *
 * What a connect needs only now and then; the rest is in struct svc_route. Each frontend has a slot
 * of its own for as long as its key exists, so that an address that moves from one Service to
 * another is never missing. Slot 0 is never used; a free slot is all zero.
 */
struct svc_service {
	__u64 policy_list;
	__u32 service_id;
	__u32 affinity_s;
	__u8 type;
	__u8 flags;
	__u8 family;
	__u8 protocol;
	__u8 pad[12];
};
_Static_assert(sizeof(struct svc_service) == 32, "ABI");

/* struct svc_backend{4,6}.flags */
#define SVC_BACKEND_F_LOCAL	  0x1u /* on this node */
#define SVC_BACKEND_F_TERMINATING 0x2u /* serving while it terminates (R20, R21) */

/**
 * struct svc_backend4 - value of backends4 (ARRAY, mmapable).
 *
 * The backends of one list lie side by side, ordered by their id in backend_ids4.
 */
struct svc_backend4 {
	__be32 addr;
	__be16 port;
	__u16 flags;
};
_Static_assert(sizeof(struct svc_backend4) == 8, "ABI");

/** struct svc_backend6 - value of backends6 (ARRAY, mmapable); ids in backend_ids6. */
struct svc_backend6 {
	__be32 addr[4];
	__be16 port;
	__u16 flags;
	__u32 pad;
};
_Static_assert(sizeof(struct svc_backend6) == 24, "ABI");

/*
 * backend_ids4, backend_ids6 (ARRAY of __u64, mmapable): index as in backends{4,6}; the low 32 bits
 * are the stable id of {protocol, address, port}, never 0, ascending within a block.
 */

/**
 * struct svc_service_info - value of service_info (HASH, key __u32 service_id): names, for people.
 * @namespace, @name, @port_name: NUL-terminated; port_name may be empty.
 * @pad: zero.
 *
 * Written before the first frontend that leads to it, deleted after the last.
 */
struct svc_service_info {
	char namespace[64];
	char name[64];
	char port_name[64];
	__u8 family;
	__u8 protocol;
	__u8 pad[6];
};
_Static_assert(sizeof(struct svc_service_info) == 200, "ABI");

/**
 * struct svc_source_range - key of source_ranges (LPM_TRIE). Value: __u32, always 1.
 * @prefixlen: 32 + length of the CIDR's prefix, in bits; IPv4 in the first word of @addr.
 * @service_id: big endian, so that all its bits come before the address.
 * @addr: network order.
 */
struct svc_source_range {
	__u32 prefixlen;
	__be32 service_id;
	__be32 addr[4];
};
_Static_assert(sizeof(struct svc_source_range) == 24, "ABI");

/** struct svc_health_key - key of health_checks (HASH): a Service with a healthCheckNodePort. */
struct svc_health_key {
	char namespace[64];
	char name[64];
};
_Static_assert(sizeof(struct svc_health_key) == 128, "ABI");

/**
 * struct svc_health - value of health_checks.
 * @local_endpoints: distinct IPs of local ready endpoints (R41).
 * @node_port: host order.
 */
struct svc_health {
	__u32 local_endpoints;
	__u16 node_port;
	__u16 pad;
};
_Static_assert(sizeof(struct svc_health) == 8, "ABI");

/**
 * struct svc_node_addr - key of node_addrs (HASH): an address NodePorts answer on. Value: __u32
 * SVC_NODE_ADDR_F_*.
 * @addr: network order; IPv4 as ::ffff:a.b.c.d; 127.0.0.1 stands for all of 127.0.0.0/8.
 */
struct svc_node_addr {
	__be32 addr[4];
};
_Static_assert(sizeof(struct svc_node_addr) == 16, "ABI");

#define SVC_NODE_ADDR_F_LOOPBACK 0x1u /* answers in the host's network namespace only (R32) */

/* struct svc_affinity_key.client_kind */
#define SVC_CLIENT_NETNS                                                                           \
	1		  /* client[0..1]: network namespace cookie, host order, low word first    \
			   */
#define SVC_CLIENT_IPV4 4 /* client[0]: address, network order */
#define SVC_CLIENT_IPV6 6 /* client[0..3]: address, network order */

/**
 * struct svc_affinity_key - key of affinity (LRU_HASH): rule R34, one memory for a service port.
 */
struct svc_affinity_key {
	__u32 service_id;
	__u32 client_kind;
	__u32 client[4];
};
_Static_assert(sizeof(struct svc_affinity_key) == 24, "ABI");

/**
 * struct svc_affinity - value of affinity; changed in place, never replaced.
 * @last_ns: CLOCK_MONOTONIC (coarse where the kernel has it) of the last new connection.
 * @backend_id: stable id; honoured only while it is in the list now in use.
 */
struct svc_affinity {
	__u64 last_ns;
	__u32 backend_id;
	__u32 pad;
};
_Static_assert(sizeof(struct svc_affinity) == 16, "ABI");

/**
 * struct svc_rev - reverse translation of one socket: value of rev_slots (ARRAY) and rev_storage
 * (SK_STORAGE).
 * @vip: what the application dialled; IPv4 as ::ffff:a.b.c.d.
 * @backend: where its packets go.
 * @vip_port, @backend_port: network order.
 * @protocol: IPPROTO_*; 0: nothing stored.
 * @family: SVC_FAMILY_* of the translation (IPv4 also for a mapped address on an IPv6 socket).
 * @flags: SVC_REV_F_*.
 * @service_id: service port translated for; for stale UDP sockets (rule R39).
 * @backend_id: stable id, so that an unconnected UDP socket can stay with its backend; 0 for a
 *	connected socket, which does so by itself.
 * @index: where in backend_ids{4,6} that id was: a hint, to be compared.
 *
 * rev_owners[i] says whose rev_slots[i] is: a socket cookie, 0 when free. Index: cookie modulo
 * SVC_REV_SLOTS. Claimed by compare-and-swap, released in cgroup/sock_release; only the owning
 * socket writes its slot.
 */
struct svc_rev {
	__be32 vip[4] __attribute__((aligned(8)));
	__be32 backend[4] __attribute__((aligned(8)));
	__be16 vip_port;
	__be16 backend_port;
	__u8 protocol;
	__u8 family;
	__u16 flags;
	__u32 service_id;
	__u32 backend_id;
	__u32 index;
	__u8 pad[12];
};
_Static_assert(sizeof(struct svc_rev) == 64, "ABI");

#define SVC_REV_F_MORE 0x1u /* this socket has entries in rev_more too */

/**
 * struct svc_rev_state - value of rev_state (ARRAY of 1).
 * @has_overflow: 1 since a socket found its slot taken and went to rev_storage; 0: rev_storage is
 *	empty and need not be asked. Means nothing where the kernel has no slots.
 */
struct svc_rev_state {
	__u32 has_overflow;
	__u32 pad;
};
_Static_assert(sizeof(struct svc_rev_state) == 8, "ABI");

/**
 * struct svc_rev_record - what bpf/overflow.bpf.c tells of each socket in rev_storage; in no map.
 * @cookie: the socket's.  @rev: its value.
 */
struct svc_rev_record {
	__u64 cookie;
	struct svc_rev rev;
};
_Static_assert(sizeof(struct svc_rev_record) == 72, "ABI");

/* struct svc_rev_key.direction */
#define SVC_REV_TO_BACKEND                                                                         \
	0		 /* addr, port: a VIP; value: where this socket's datagrams to it go       \
			  */
#define SVC_REV_TO_VIP 1 /* addr, port: a backend; value: what its replies must look like */

/**
 * struct svc_rev_key - key of rev_more (LRU_HASH): the further VIPs of an unconnected UDP socket.
 * @cookie: socket cookie.  @addr: network order, IPv4 mapped.  @port: network order.
 */
struct svc_rev_key {
	__u64 cookie;
	__be32 addr[4];
	__be16 port;
	__u8 direction;
	__u8 pad[5];
};
_Static_assert(sizeof(struct svc_rev_key) == 32, "ABI");

/** struct svc_rev_value - value of rev_more: the other end of the translation. */
struct svc_rev_value {
	__be32 addr[4];
	__be16 port;
	__u16 pad;
	__u32 service_id;
	__u32 backend_id;
	__u32 pad2;
};
_Static_assert(sizeof(struct svc_rev_value) == 32, "ABI");

/**
 * struct svc_config - constants of the loaded programs (.rodata), set before load.
 * @host_netns_cookie: network namespace whose loopback answers on NodePorts; 0: the initial one.
 * @random_seed: any number, drawn anew at each load.
 * @netns_inode: of the agent's network namespace, as /proc/PID/ns/net has it; 0: not known.
 * @hash_seed: of the frontend tables: struct svc_meta.hash_seed.
 * @mask4, @mask6: number of buckets of frontends4 and frontends6, a power of two, less one.
 */
struct svc_config {
	__u64 host_netns_cookie;
	__u64 random_seed;
	__u64 hash_seed;
	__u32 mask4;
	__u32 mask6;
};
_Static_assert(sizeof(struct svc_config) == 32, "ABI");

#include <svcbpf/abi_packet.h>

/* struct svc_meta.features: what the kernel has and the agent may, as probed at its start. */
#define SVC_FEATURE_CMPXCHG	 0x1u  /* BPF atomics with fetch: rev_slots in use */
#define SVC_FEATURE_SET_RETVAL	 0x2u  /* no backend gives ECONNREFUSED, else EPERM */
#define SVC_FEATURE_NETNS_COOKIE 0x4u  /* SO_NETNS_COOKIE: loopback NodePorts in this namespace */
#define SVC_FEATURE_SOCK_DESTROY 0x8u  /* sock_diag can end stale UDP sockets */
#define SVC_FEATURE_NETNS_ENTER	 0x10u /* those of other network namespaces too (CAP_SYS_ADMIN) */
#define SVC_FEATURE_TCX		 0x20u /* packet programs attach by links (6.6), else by clsact */

/* struct svc_meta.source_kind: where Services come from; 0: not known yet. */
#define SVC_SOURCE_MANIFESTS  1
#define SVC_SOURCE_KUBERNETES 2

/* struct svc_meta.source_state */
#define SVC_SOURCE_STARTING 0 /* not read in full since the agent's start */
#define SVC_SOURCE_IN_STEP  1 /* followed: what is programmed is what the source says now */
#define SVC_SOURCE_LOST	    2 /* was read in full, and cannot be followed at the moment */
#define SVC_SOURCE_SAVED    3 /* not reached since the agent's start: a saved state is served */

/* struct svc_meta.algorithm */
#define SVC_ALGORITHM_RANDOM 0
#define SVC_ALGORITHM_MAGLEV 1

/* struct svc_flow_report.forwarding: net.ipv4.ip_forward and net.ipv6.conf.all.forwarding are off
 */
#define SVC_FORWARDING_OFF4 0x1u
#define SVC_FORWARDING_OFF6 0x2u

/**
 * struct svc_flow_report - part of svc_meta: what the agent's walks over flows{4,6} found.
 * @time_ns: CLOCK_REALTIME of the end of the last walk; 0: none since the agent's start.
 * @n_entries: in use of flows4 and flows6 then.
 * @n_expired, @n_evicted: flows deleted after their timeout, and lost as the table was full, since
 *	the agent's start.
 * @n_snat_exhausted: by how much that counter rose since the agent's start.
 * @evicted_ns, @snat_exhausted_ns: CLOCK_REALTIME of the last walk that saw a rise; 0: none did.
 * @timeouts_s: as in struct svc_packet_config.
 * @forwarding: SVC_FORWARDING_OFF*, in the agent's network namespace.
 */
struct svc_flow_report {
	__u64 time_ns;
	__u64 n_entries[2];
	__u64 n_expired;
	__u64 n_evicted;
	__u64 n_snat_exhausted;
	__u64 evicted_ns;
	__u64 snat_exhausted_ns;
	__u32 timeouts_s[SVC_N_FLOW_STATES];
	__u32 forwarding;
};
_Static_assert(sizeof(struct svc_flow_report) == 112, "ABI");

/**
 * struct svc_meta - value of meta (ARRAY of 1): what these maps are and who wrote them last.
 * @magic: SVC_META_MAGIC.  @abi: SVC_ABI_VERSION.
 * @max_services, @max_backends: capacities the maps were made with.
 * @next_service_id: where the search for a free service id goes on.
 * @next_backend_id4, @next_backend_id6: the same for backend ids, which each family has its own of.
 * @features: SVC_FEATURE_*.
 * @agent_pid: of the last agent; whether it runs is told by the lock on the pin directory.
 * @sync_count: complete syncs since these maps were made; odd @sync_open: a sync is being written.
 * @last_sync_ns, @selftest_ns, @start_ns: CLOCK_REALTIME; 0: never.
 * @selftest_result: 0 passed, negative errno why not.
 * @n_problems: how many entries of the map "problems" are in use.
 * @maglev_size: entries of the Maglev tables; 0: without the packet path there are none.
 * @algorithm: SVC_ALGORITHM_*: how backends are chosen for clients outside where a Service does not
 *	say.
 * @cgroup_id: of the cgroup the programs are attached to.
 * @hash_seed: of the frontend tables, drawn when these maps were made: who may create Services must
 *	not choose the bucket.
 * @source_kind, @source_state: SVC_SOURCE_*.
 * @source_contact_ns: CLOCK_REALTIME when what is programmed was last known to be what the source
 *	says; 0: never.
 * @source: the API server's URL or the first manifest.
 * @flows: of the packet path; all zero without it.
 * @node, @zone, @version, @source: NUL-terminated.
 */
struct svc_meta {
	__u32 magic;
	__u32 abi;
	__u32 max_services;
	__u32 max_backends;
	__u32 next_service_id;
	__u32 next_backend_id4;
	__u32 features;
	__u32 agent_pid;
	__u64 sync_count;
	__u64 sync_open;
	__u64 last_sync_ns;
	__u64 last_sync_duration_ns;
	__u64 start_ns;
	__u64 selftest_ns;
	__s32 selftest_result;
	__u32 n_problems;
	__u32 next_backend_id6;
	__u16 maglev_size;
	__u8 algorithm;
	__u8 pad;
	__u64 cgroup_id;
	__u64 netns_inode;
	__u64 hash_seed;
	__u32 source_kind;
	__u32 source_state;
	__u64 source_contact_ns;
	struct svc_flow_report flows;
	char node[256];
	char zone[256];
	char version[64];
	char cgroup_path[256];
	char source[256];
};
_Static_assert(sizeof(struct svc_meta) == 1336, "ABI");

/** struct svc_problem - value of problems (ARRAY of SVC_MAX_PROBLEMS). @text: NUL-terminated. */
struct svc_problem {
	char text[256];
};
_Static_assert(sizeof(struct svc_problem) == 256, "ABI");

#endif
