/* SPDX-License-Identifier: Apache-2.0 */
/* What the packet programs counted on each device. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/internal.h"
#include "util/cleanup.h"

/* Names told together; more are cut off. */
#define NAMES_BYTES 256

/** struct device_slots - ifindexes of the devices that have the programs, of @n_allocated. */
struct device_slots {
	uint32_t *ifindexes;
	size_t n;
	size_t n_allocated;
};

static void slots_clear(struct device_slots *slots)
{
	free(slots->ifindexes);
}

static int add_device(void *arg, const void *key, const void *value)
{
	struct device_slots *slots = arg;
	uint32_t *grown;

	(void)value;
	if (slots->n == slots->n_allocated) {
		slots->n_allocated = slots->n_allocated ? 2 * slots->n_allocated : 64;
		grown = reallocarray(slots->ifindexes, slots->n_allocated, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		slots->ifindexes = grown;
	}
	memcpy(&slots->ifindexes[slots->n++], key, sizeof(uint32_t));
	return 0;
}

/* Those that share a slot side by side. */
static int compare_slots(const void *left, const void *right)
{
	const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	const uint32_t slot_a = a % SVC_DEVICE_SLOTS, slot_b = b % SVC_DEVICE_SLOTS;

	if (slot_a != slot_b)
		return slot_a < slot_b ? -1 : 1;
	return (a > b) - (a < b);
}

static void add_name(char names[NAMES_BYTES], uint32_t ifindex)
{
	const size_t len_bytes = strlen(names);
	char name[IF_NAMESIZE];

	if (!if_indextoname(ifindex, name))
		return; /* it has gone */
	snprintf(names + len_bytes, NAMES_BYTES - len_bytes, "%s%s", len_bytes ? "," : "", name);
}

/* @values: room for one of each CPU. */
static int read_slot(int fd, uint32_t slot, struct svc_device_counters *values, int n_cpus,
		     struct svc_device_counters *ret_sum)
{
	struct svc_device_counters sum = {};
	int r, i;

	r = bpf_map_lookup_elem(fd, &slot, values);
	if (r < 0)
		return r;
	for (i = 0; i < n_cpus; i++) {
		sum.n_forward += values[i].n_forward;
		sum.n_reply += values[i].n_reply;
		sum.n_new += values[i].n_new;
		sum.n_dropped += values[i].n_dropped;
	}
	*ret_sum = sum;
	return 0;
}

static int tell_slots(const struct datapath *datapath, const struct device_slots *slots,
		      void (*fn)(void *arg, const struct datapath_device_counters *counters),
		      void *arg)
{
	const int n_cpus = libbpf_num_possible_cpus();
	_free_ struct svc_device_counters *values = NULL;
	struct datapath_device_counters counters;
	char names[NAMES_BYTES];
	uint32_t slot;
	size_t i = 0;
	int r;

	if (n_cpus < 0)
		return n_cpus;
	values = calloc((size_t)n_cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	while (i < slots->n) {
		slot = slots->ifindexes[i] % SVC_DEVICE_SLOTS;
		*names = '\0';
		for (; i < slots->n && slots->ifindexes[i] % SVC_DEVICE_SLOTS == slot; i++)
			add_name(names, slots->ifindexes[i]);
		r = read_slot(datapath->maps.fds[MAP_DEVICE_COUNTERS], slot, values, n_cpus,
			      &counters.n);
		if (r < 0)
			return r;
		counters.name = names;
		if (*names)
			fn(arg, &counters);
	}
	return 0;
}

int datapath_device_counters(const struct datapath *datapath,
			     void (*fn)(void *arg, const struct datapath_device_counters *counters),
			     void *arg)
{
	_cleanup_(slots_clear) struct device_slots slots = {};
	int r;

	if (datapath->maps.fds[MAP_DEVICES] < 0 || datapath->maps.fds[MAP_DEVICE_COUNTERS] < 0)
		return 0;
	r = maps_for_each(&datapath->maps, MAP_DEVICES, add_device, &slots);
	if (r < 0)
		return r;
	if (slots.n)
		qsort(slots.ifindexes, slots.n, sizeof(*slots.ifindexes), compare_slots);
	return tell_slots(datapath, &slots, fn, arg);
}
