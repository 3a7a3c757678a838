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
	X(BAD_SLOT, "bad_slot", "frontend led to no slot or backend: please report")               \
	X(FLOW_NEW, "flows_created", "packet path: flows given a backend")                         \
	X(FLOW_REPLACED, "flows_replaced", "packet path: flows that were over, and made anew")     \
	X(FLOW_STALE, "flows_stale", "packet path: UDP flows made anew: their backend left (R39)") \
	X(FLOW_NOT_STORED, "flows_not_stored", "packet path: flows the table could not take")      \
	X(FLOW_UNKNOWN, "flows_unknown",                                                           \
	  "packet path: TCP in mid-stream without a flow: left alone")                             \
	X(SNAT_RETRY, "snat_retries", "packet path: ports tried that were in use")                 \
	X(SNAT_RECLAIM, "snat_reclaimed", "packet path: ports taken from idle or closing flows")   \
	X(SNAT_FAILED, "snat_exhausted",                                                           \
	  "packet path: dropped: no port is free towards this backend")                            \
	X(REJECT, "packets_rejected", "packet path: answered: no usable backend (R25)")            \
	X(DROP_POLICY, "dropped_policy",                                                           \
	  "packet path: dropped: policy Local, no local backend (R26)")                            \
	X(DROP_RANGE, "dropped_source_range",                                                      \
	  "packet path: dropped: not in loadBalancerSourceRanges (R31)")                           \
	X(SKIP_MALFORMED, "skipped_malformed",                                                     \
	  "packet path: left alone: to a frontend's address, and malformed")                       \
	X(DROP_NO_ROUTE, "dropped_no_route", "packet path: dropped: no route to the backend")      \
	X(DROP_NO_FORWARDING, "dropped_no_forwarding",                                             \
	  "packet path: dropped: IP forwarding is off on the device")                              \
	X(DROP_NO_ADDRESS, "dropped_no_address",                                                   \
	  "packet path: dropped: the outgoing device has no address")                              \
	X(DROP_SCTP_PORT, "dropped_sctp_port",                                                     \
	  "packet path: dropped: SCTP needs another port, which is not done")                      \
	X(DROP_REWRITE, "dropped_rewrite",                                                         \
	  "packet path: dropped: the packet could not be changed")                                 \
	X(TOO_BIG, "packets_too_big", "packet path: answered: too big for the way to the backend") \
	X(TTL_EXPIRED, "packets_ttl_expired", "packet path: answered: TTL or hop limit ran out")   \
	X(SKIP_HEADERS, "skipped_headers",                                                         \
	  "packet path: left alone: too many or unknown extension headers")                        \
	X(ICMP_ERROR, "icmp_errors_translated", "packet path: ICMP errors translated")             \
	X(DSR_SENT, "dsr_encapsulated",                                                            \
	  "packet path: packets sent to the backend's node in a tunnel")                           \
	X(DSR_RECEIVED, "dsr_decapsulated", "packet path: packets that came in such a tunnel")     \
	X(XDP_SENT, "xdp_sent", "packet path: packets sent on by XDP, without the stack")          \
	X(FLOW_MENDED, "flows_mended",                                                             \
	  "packet path: flows of which the full table had given up one half: put back")

enum svc_counter {
#define SVC_COUNTER_ENUM(id, name, help) SVC_COUNTER_##id,
	SVC_COUNTERS(SVC_COUNTER_ENUM)
#undef SVC_COUNTER_ENUM
		SVC_N_COUNTERS
};

#endif
