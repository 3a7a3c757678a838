/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every counter of the datapath: one list for the programs, `svcbpf dump stats` and the metrics.
 * X(ID, name, help): values live in counters (PERCPU_ARRAY of __u64), index SVC_COUNTER_ID.
 */
#ifndef SVCBPF_COUNTERS_H
#define SVCBPF_COUNTERS_H

#define SVC_COUNTERS(X)                                                                            \
	X(CONNECT, "connect_translated", "connects given a backend")                               \
	X(SENDMSG, "sendmsg_translated", "unconnected datagrams given a backend")                  \
	X(NO_BACKEND, "no_backend_refused", "connects and sends refused: no usable backend (R25)") \
	X(POLICY_DROP, "policy_refused", "refused: policy Local and no local backend (R26)")       \
	X(BYPASS, "bypassed", "not translated: the socket carries the bypass mark")                \
	X(AFFINITY_HIT, "affinity_kept", "connections kept on their backend by ClientIP affinity") \
	X(AFFINITY_FULL, "affinity_not_stored", "affinity entries the map could not take")         \
	X(REV_OVERFLOW, "rev_overflow", "sockets whose slot was taken: kept in sk_storage")        \
	X(REV_LOST, "rev_not_stored", "translations whose reverse could not be stored")            \
	X(REV_SHARED, "rev_ambiguous", "one UDP socket reaches one backend through two VIPs")      \
	X(BAD_SLOT, "bad_slot", "frontend led to no slot or backend: please report")

enum svc_counter {
#define SVC_COUNTER_ENUM(id, name, help) SVC_COUNTER_##id,
	SVC_COUNTERS(SVC_COUNTER_ENUM)
#undef SVC_COUNTER_ENUM
		SVC_N_COUNTERS
};

#endif
