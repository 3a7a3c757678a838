/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps that only the packet path uses; as maps.h. */
#ifndef SVCBPF_BPF_PACKET_MAPS_H
#define SVCBPF_BPF_PACKET_MAPS_H

#include "lib/maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct svc_flow_key4);
	__type(value, struct svc_flow4);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct svc_flow_key6);
	__type(value, struct svc_flow6);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct svc_frag_key);
	__type(value, struct svc_frag);
} frags SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SVC_N_FLOW_FILTERS);
	__type(key, __u32);
	__type(value, struct svc_flow_filter);
} flow_filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SVC_GENERATIONS);
	__type(key, __u32);
	__type(value, __u32);
} udp_generations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct svc_device);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SVC_DEVICE_SLOTS);
	__type(key, __u32);
	__type(value, struct svc_device_counters);
} device_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct svc_scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct svc_source_range);
	__type(value, __u32);
} source_ranges SEC(".maps");

/** struct maglev_table - what maglev holds; each is made with as many words as the size asks for.
 */
struct maglev_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__array(values, struct maglev_table);
} maglev SEC(".maps");

/* Set by the agent before load. */
const volatile struct svc_packet_config svc_packet_config;

#endif
