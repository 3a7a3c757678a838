/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every metric of the agent, in the order of /metrics; the datapath's counters follow it, from
 * svcbpf/counters.h, as svcbpf_NAME_total. X(ID, name, type, help): type is METRIC_* without
 * METRIC.
 */
#ifndef SVCBPF_CMD_AGENT_METRICS_NAMES_H
#define SVCBPF_CMD_AGENT_METRICS_NAMES_H

/* As kube-proxy names them. */
#define AGENT_METRICS_KUBE_PROXY(X)                                                                \
	X(SYNC_DURATION, "kubeproxy_sync_proxy_rules_duration_seconds", HISTOGRAM,                 \
	  "SyncProxyRules latency in seconds")                                                     \
	X(SYNC_LAST, "kubeproxy_sync_proxy_rules_last_timestamp_seconds", GAUGE,                   \
	  "The last time proxy rules were successfully synced")                                    \
	X(SYNC_QUEUED, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", GAUGE,          \
	  "The last time a sync of proxy rules was queued")                                        \
	X(ENDPOINTS_PENDING, "kubeproxy_sync_proxy_rules_endpoint_changes_pending", GAUGE,         \
	  "Pending proxy rules Endpoint changes")                                                  \
	X(ENDPOINTS_TOTAL, "kubeproxy_sync_proxy_rules_endpoint_changes_total", COUNTER,           \
	  "Cumulative proxy rules Endpoint changes")                                               \
	X(SERVICES_PENDING, "kubeproxy_sync_proxy_rules_service_changes_pending", GAUGE,           \
	  "Pending proxy rules Service changes")                                                   \
	X(SERVICES_TOTAL, "kubeproxy_sync_proxy_rules_service_changes_total", COUNTER,             \
	  "Cumulative proxy rules Service changes")                                                \
	X(NO_LOCAL, "kubeproxy_sync_proxy_rules_no_local_endpoints_total", GAUGE,                  \
	  "Number of services with a Local traffic policy and no endpoints")                       \
	X(HEALTHZ, "kubeproxy_proxy_healthz_total", COUNTER,                                       \
	  "Cumulative proxy healthz HTTP status")                                                  \
	X(LIVEZ, "kubeproxy_proxy_livez_total", COUNTER, "Cumulative proxy livez HTTP status")     \
	X(NETWORK_PROGRAMMING, "kubeproxy_network_programming_duration_seconds", HISTOGRAM,        \
	  "In Cluster Network Programming Latency in seconds")

#define AGENT_METRICS_OWN(X)                                                                       \
	X(BUILD_INFO, "svcbpf_build_info", GAUGE, "1, with the version of the agent")              \
	X(OWN_DURATION, "svcbpf_sync_duration_seconds", HISTOGRAM,                                 \
	  "seconds that a sync of the datapath took")                                              \
	X(OWN_WRITES, "svcbpf_sync_map_writes", HISTOGRAM, "map writes of a sync")                 \
	X(OWN_SERVICES, "svcbpf_sync_services", HISTOGRAM, "Services that a sync changed")         \
	X(SYNC_FAILURES, "svcbpf_sync_failures_total", COUNTER,                                    \
	  "syncs that could not write all; tried again")                                           \
	X(SYNC_AGE, "svcbpf_sync_age_seconds", GAUGE, "seconds since the last successful sync")    \
	X(SELFTEST, "svcbpf_selftest_passed", GAUGE,                                               \
	  "1: the last self-test passed; 0: it did not")                                           \
	X(SELFTEST_LAST, "svcbpf_selftest_last_timestamp_seconds", GAUGE,                          \
	  "when the last self-test was run")                                                       \
	X(SOURCE_STATE, "svcbpf_source_state", GAUGE,                                              \
	  "1 for the state the source of Services is in: starting, in-step, lost, saved")          \
	X(SOURCE_AGE, "svcbpf_source_age_seconds", GAUGE,                                          \
	  "seconds since what is programmed was last known to be what the source says")            \
	X(WATCH_STATE, "svcbpf_watch_state", GAUGE,                                                \
	  "1 for the state of the resource's watch: listing, watching, waiting")                   \
	X(WATCH_AGE, "svcbpf_watch_age_seconds", GAUGE,                                            \
	  "seconds since the API server last sent anything of the resource")                       \
	X(WATCH_OBJECTS, "svcbpf_watch_objects", GAUGE, "objects of the resource known now")       \
	X(WATCH_LISTS, "svcbpf_watch_lists_total", COUNTER,                                        \
	  "complete lists of the resource asked for")                                              \
	X(WATCH_WATCHES, "svcbpf_watch_watches_total", COUNTER, "watches of the resource opened")  \
	X(WATCH_EVENTS, "svcbpf_watch_events_total", COUNTER, "watch events of the resource")      \
	X(WATCH_FAILURES, "svcbpf_watch_failures_total", COUNTER,                                  \
	  "lists and watches of the resource that failed")                                         \
	X(REJECTED, "svcbpf_objects_rejected", GAUGE, "objects of the source that cannot be used") \
	X(REJECTED_OBJECT, "svcbpf_object_rejected", GAUGE,                                        \
	  "1 for an object that cannot be used, with the reason; the first 20")                    \
	X(PROBLEMS, "svcbpf_problems", GAUGE,                                                      \
	  "lines that 'svcbpf status' has about what cannot be served as asked")                   \
	X(HEALTH_CHECKS, "svcbpf_health_checks", GAUGE, "Services with a healthCheckNodePort")     \
	X(HEALTH_CHECKS_FAILED, "svcbpf_health_checks_failed", GAUGE,                              \
	  "those of them whose port could not be opened")                                          \
	X(STALE_UDP_ENDED, "svcbpf_stale_udp_sockets_ended_total", COUNTER,                        \
	  "UDP sockets ended because their backend has left")                                      \
	X(STALE_UDP_FAILED, "svcbpf_stale_udp_sockets_failed_total", COUNTER,                      \
	  "UDP sockets whose backend has left and that could not be ended")                        \
	X(SNAPSHOT_LAST, "svcbpf_snapshot_last_timestamp_seconds", GAUGE,                          \
	  "when the state was last saved to disk")                                                 \
	X(SNAPSHOT_FAILURES, "svcbpf_snapshot_failures_total", COUNTER,                            \
	  "times the state could not be saved to disk")                                            \
	X(EVENTS, "svcbpf_kubernetes_events_total", COUNTER,                                       \
	  "Kubernetes Events: sent, failed, repeated (not sent again) or limited (too many)")      \
	X(MAP_ENTRIES, "svcbpf_map_entries", GAUGE, "entries in use of a map, up to 10 s old")     \
	X(MAP_CAPACITY, "svcbpf_map_capacity", GAUGE, "entries a map can take")                    \
	X(FLOWS, "svcbpf_flows", GAUGE,                                                            \
	  "flows of the packet path, by family, protocol and state, up to 30 s old")               \
	X(FLOW_ENTRIES, "svcbpf_flow_table_entries", GAUGE,                                        \
	  "entries in use of a family's flow table, two for each flow, up to 30 s old")            \
	X(FLOW_CAPACITY, "svcbpf_flow_table_capacity", GAUGE,                                      \
	  "entries a family's flow table can take")                                                \
	X(FLOWS_EXPIRED, "svcbpf_flows_expired_total", COUNTER,                                    \
	  "flows deleted after their timeout")                                                     \
	X(FLOW_EVICTIONS, "svcbpf_flow_evictions_total", COUNTER,                                  \
	  "flows lost because the flow table was full, at least")                                  \
	X(DROPPED, "svcbpf_packets_dropped_total", COUNTER,                                        \
	  "packets dropped by the packet path, by reason")                                         \
	X(DEVICE_PACKETS, "svcbpf_device_packets_total", COUNTER,                                  \
	  "packets on a device: forward (from a client), reply (from a backend), dropped")         \
	X(DEVICE_FLOWS, "svcbpf_device_flows_total", COUNTER, "flows that began on a device")

/* As all Prometheus clients name them. */
#define AGENT_METRICS_PROCESS(X)                                                                   \
	X(CPU, "process_cpu_seconds_total", COUNTER,                                               \
	  "Total user and system CPU time spent in seconds.")                                      \
	X(RESIDENT, "process_resident_memory_bytes", GAUGE, "Resident memory size in bytes.")      \
	X(VIRTUAL, "process_virtual_memory_bytes", GAUGE, "Virtual memory size in bytes.")         \
	X(OPEN_FDS, "process_open_fds", GAUGE, "Number of open file descriptors.")                 \
	X(MAX_FDS, "process_max_fds", GAUGE, "Maximum number of open file descriptors.")           \
	X(START, "process_start_time_seconds", GAUGE,                                              \
	  "Start time of the process since unix epoch in seconds.")

#define AGENT_METRICS(X)                                                                           \
	AGENT_METRICS_KUBE_PROXY(X)                                                                \
	AGENT_METRICS_OWN(X)                                                                       \
	AGENT_METRICS_PROCESS(X)

enum agent_metric_id {
#define AGENT_METRIC_ENUM(id, name, type, help) AGENT_METRIC_##id,
	AGENT_METRICS(AGENT_METRIC_ENUM)
#undef AGENT_METRIC_ENUM
		AGENT_N_METRICS
};

#endif
