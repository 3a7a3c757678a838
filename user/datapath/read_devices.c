/* SPDX-License-Identifier: Apache-2.0 */
/* The devices with packet programs, as map, records and kernel have them. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/attach_tc.h"
#include "datapath/attach_xdp.h"
#include "datapath/reader.h"
#include "util/cleanup.h"

/** struct device_walk - all entries, to be told in order. */
struct device_walk {
	struct datapath_device *items;
	size_t n_items;
};

static int keep(void *arg, const void *key, const void *value)
{
	struct device_walk *walk = arg;
	struct datapath_device *grown =
		reallocarray(walk->items, walk->n_items + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	walk->items = grown;
	grown += walk->n_items++;
	*grown = (struct datapath_device){};
	memcpy(&grown->ifindex, key, sizeof(grown->ifindex));
	memcpy(&grown->value, value, sizeof(grown->value));
	return 0;
}

static int by_ifindex(const void *a, const void *b)
{
	const uint32_t left = ((const struct datapath_device *)a)->ifindex;
	const uint32_t right = ((const struct datapath_device *)b)->ifindex;

	return (left > right) - (left < right);
}

static void complete(const char *pin_dir, struct datapath_device *device)
{
	const struct attach_tc_place ingress = {pin_dir, device->ifindex, ATTACH_TC_INGRESS};
	const struct attach_tc_place egress = {pin_dir, device->ifindex, ATTACH_TC_EGRESS};

	_Static_assert(sizeof(device->name) == IF_NAMESIZE, "if_indextoname(3)");
	if (!if_indextoname(device->ifindex, device->name))
		device->name[0] = '\0';
	device->ingress = attach_tc_read(&ingress, &device->ingress_program_id);
	device->egress = attach_tc_read(&egress, &device->egress_program_id);
	device->xdp = attach_xdp_read(pin_dir, device->ifindex, &device->xdp_program_id);
}

int datapath_read_devices(const struct datapath_reader *reader,
			  int (*fn)(void *arg, const struct datapath_device *device), void *arg)
{
	const bool is_elsewhere = datapath_reader_is_elsewhere(reader);
	struct device_walk walk = {};
	int r = 0;

	if (reader->maps.fds[MAP_DEVICES] >= 0)
		r = maps_for_each(&reader->maps, MAP_DEVICES, keep, &walk);
	if (!r && walk.n_items)
		qsort(walk.items, walk.n_items, sizeof(*walk.items), by_ifindex);
	for (size_t i = 0; !r && i < walk.n_items; i++) {
		if (!is_elsewhere) /* or the numbers would be those of other devices */
			complete(reader->pin_dir, &walk.items[i]);
		r = fn(arg, &walk.items[i]);
	}
	free(walk.items);
	return r;
}
