/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/packet_path.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/attach_tc.h"
#include "datapath/attach_xdp.h"
#include "datapath/error.h"
#include "datapath/object.h"
#include "datapath/pin.h"
#include "datapath/xdp_path.h"
#include "util/cleanup.h"

/** struct packet_problem - a device that could not be served. */
struct packet_problem {
	char subject[32];
	char text[224];
};

/** struct packet_path - @programs: [is bare IP][side]. */
struct packet_path {
	const char *pin_dir;
	struct maps *maps;
	bool is_clsact;
	struct object *object;
	struct xdp_path *xdp;
	struct attach_tc_program programs[2][ATTACH_TC_N_SIDES];
	struct packet_problem *problems;
	size_t n_problems;
};

/* ------------------------------------------------------------------ opening */

static const char *const program_names[2][ATTACH_TC_N_SIDES] = {
	{[ATTACH_TC_EGRESS] = "egress_l2", [ATTACH_TC_INGRESS] = "ingress_l2"},
	{[ATTACH_TC_EGRESS] = "egress_l3", [ATTACH_TC_INGRESS] = "ingress_l3"},
};

static int find_programs(struct packet_path *path, struct datapath_error *ret_error)
{
	for (int i = 0; i < 2; i++) {
		for (int side = 0; side < ATTACH_TC_N_SIDES; side++) {
			struct attach_tc_program *program = &path->programs[i][side];
			const char *name = program_names[i][side];
			int r = object_program_id(path->object, name, &program->id);

			if (r < 0)
				return error_set(ret_error, r, "packet program %s: %s", name,
						 strerror(-r));
			program->fd = object_program_fd(path->object, name);
		}
	}
	return 0;
}

static void packet_path_freep(struct packet_path **path)
{
	packet_path_free(*path);
}

int packet_path_open(const struct packet_path_options *options, struct packet_path **ret,
		     struct datapath_error *ret_error)
{
	const struct object_request request = {.packet = options->config};
	_cleanup_(packet_path_freep) struct packet_path *path = calloc(1, sizeof(*path));
	int r;

	if (!path)
		return error_set(ret_error, -ENOMEM, "out of memory");
	path->pin_dir = options->pin_dir;
	path->maps = options->maps;
	path->is_clsact = options->is_clsact;
	r = object_load(options->maps, &request, &path->object, ret_error);
	if (!r)
		r = find_programs(path, ret_error);
	if (!r)
		r = xdp_path_open(options, &path->xdp, ret_error);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(path);
	return 0;
}

void packet_path_free(struct packet_path *path)
{
	if (!path)
		return;
	object_free(path->object);
	xdp_path_free(path->xdp);
	free(path->problems);
	free(path);
}

/* ------------------------------------------------------------------ the map of devices */

/* A slot is zeroed for a new device, unless a device that is still there shares it. */
static int clear_counters(struct packet_path *path, uint32_t ifindex, const struct device *devices,
			  size_t n_devices)
{
	const uint32_t slot = ifindex % SVC_DEVICE_SLOTS;
	const int n_cpus = libbpf_num_possible_cpus();
	_free_ struct svc_device_counters *zero = NULL;

	for (size_t i = 0; i < n_devices; i++)
		if (devices[i].ifindex && devices[i].ifindex != ifindex &&
		    devices[i].ifindex % SVC_DEVICE_SLOTS == slot)
			return 0;
	if (n_cpus < 0)
		return n_cpus;
	zero = calloc((size_t)n_cpus, sizeof(*zero));
	return zero ? maps_insert(path->maps, MAP_DEVICE_COUNTERS, &slot, zero) : -ENOMEM;
}

static bool find_entry(const struct packet_path *path, uint32_t ifindex, struct svc_device *ret)
{
	return bpf_map_lookup_elem(path->maps->fds[MAP_DEVICES], &ifindex, ret) == 0;
}

/** struct ifindexes - an array of them. */
struct ifindexes {
	uint32_t *items;
	size_t n_items;
};

static int add_ifindex(void *arg, uint32_t ifindex)
{
	struct ifindexes *list = arg;
	uint32_t *grown = reallocarray(list->items, list->n_items + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->items = grown;
	grown[list->n_items++] = ifindex;
	return 0;
}

static int add_entry(void *arg, const void *key, const void *value)
{
	uint32_t ifindex;

	(void)value;
	memcpy(&ifindex, key, sizeof(ifindex));
	return add_ifindex(arg, ifindex);
}

/* ------------------------------------------------------------------ one device */

static int add_problem(struct packet_path *path, const struct device *device, const char *text)
{
	struct packet_problem *grown =
		reallocarray(path->problems, path->n_problems + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	path->problems = grown;
	grown += path->n_problems++;
	snprintf(grown->subject, sizeof(grown->subject), "device %s", device->name);
	snprintf(grown->text, sizeof(grown->text), "%s", text);
	return 0;
}

/* The entry first: the programs look their own device up. */
static int attach(struct packet_path *path, const struct device *device,
		  struct datapath_error *ret_error)
{
	const bool is_bare = device->value.flags & SVC_DEVICE_F_L3;
	int r = 0;

	for (int side = 0; !r && side < ATTACH_TC_N_SIDES; side++) {
		const struct attach_tc_place place = {path->pin_dir, device->ifindex,
						      (enum attach_tc_side)side};

		r = attach_tc(&place, &path->programs[is_bare][side], path->is_clsact, ret_error);
	}
	return r;
}

static int detach(struct packet_path *path, uint32_t ifindex, struct datapath_error *ret_error)
{
	int r = attach_xdp_detach(path->pin_dir, ifindex, ret_error);

	if (!r)
		r = attach_tc_detach(path->pin_dir, ifindex, ret_error);
	if (r < 0)
		return r;
	r = maps_delete(path->maps, MAP_DEVICES, &ifindex);
	return r < 0 ? error_set(ret_error, r, "cannot forget it: %s", strerror(-r)) : 0;
}

static int put_entry(struct packet_path *path, const struct device *device,
		     const struct device *devices, size_t n_devices,
		     struct datapath_error *ret_error)
{
	const struct svc_device value = xdp_path_value(path->xdp, device);
	struct svc_device old;
	const bool is_new = !find_entry(path, device->ifindex, &old);
	int r = 0;

	if (!is_new && memcmp(&old, &value, sizeof(old)) == 0)
		return 0;
	if (is_new)
		r = clear_counters(path, device->ifindex, devices, n_devices);
	if (!r)
		r = maps_insert(path->maps, MAP_DEVICES, &device->ifindex, &value);
	return r < 0 ? error_set(ret_error, r, "cannot store it: %s", strerror(-r)) : 0;
}

/* In front of the others, which do without: no reason to take them away. The entry says whether
 * others may send to it.
 */
static int serve_xdp(struct packet_path *path, const struct device *device,
		     const struct device *devices, size_t n_devices)
{
	struct datapath_error error = {};
	int r = xdp_path_serve(path->xdp, device, &error);
	int w = put_entry(path, device, devices, n_devices, r < 0 ? NULL : &error);

	if (r == -ENODEV || (r == 0 && w == 0))
		return 0;
	return add_problem(path, device, error.text);
}

/* A device that has gone meanwhile is no problem; one that had programs keeps what it has. */
static int serve(struct packet_path *path, const struct device *device,
		 const struct device *devices, size_t n_devices)
{
	struct datapath_error error = {}, ignored = {};
	struct svc_device old;
	const bool is_new = !find_entry(path, device->ifindex, &old);
	int r;

	r = put_entry(path, device, devices, n_devices, &error);
	if (!r)
		r = attach(path, device, &error);
	if (r == 0) {
		r = serve_xdp(path, device, devices, n_devices);
		return r < 0 ? r : 1;
	}
	if (is_new || r == -ENODEV)
		detach(path, device->ifindex, &ignored);
	return r == -ENODEV ? 0 : add_problem(path, device, error.text);
}

/* Return: whether the device gets programs, or keeps them. */
static bool is_wanted(const struct packet_path *path, const struct device *device)
{
	struct svc_device entry;

	return device->ifindex && !device->is_foreign &&
	       (device->is_up || find_entry(path, device->ifindex, &entry));
}

static int explain_unserved(struct packet_path *path, const struct device *device)
{
	if (!device->ifindex)
		return add_problem(path, device, "named by --devices, and not there");
	if (device->is_foreign)
		return add_problem(path, device,
				   "packets there have neither Ethernet's header nor none: it "
				   "cannot be served");
	return 0; /* down */
}

/* ------------------------------------------------------------------ all of them */

/* Those behind which backends are come first: nobody is sent to a backend whose replies are not
 * translated yet.
 */
static int serve_all(struct packet_path *path, const struct device *devices, size_t n_devices,
		     bool is_uplink)
{
	int n = 0;

	for (size_t i = 0; i < n_devices; i++) {
		const struct device *device = &devices[i];
		int r;

		if (!(device->value.flags & SVC_DEVICE_F_UPLINK) == is_uplink)
			continue;
		r = is_wanted(path, device) ? serve(path, device, devices, n_devices)
					    : explain_unserved(path, device);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

static bool is_kept(const struct packet_path *path, const struct device *devices, size_t n_devices,
		    uint32_t ifindex)
{
	for (size_t i = 0; i < n_devices; i++)
		if (devices[i].ifindex == ifindex)
			return is_wanted(path, &devices[i]);
	return false;
}

/* What has programs, or a record or an entry, and should not. */
static int drop_others(struct packet_path *path, const struct device *devices, size_t n_devices)
{
	struct ifindexes known = {};
	int r = maps_for_each(path->maps, MAP_DEVICES, add_entry, &known);

	if (!r)
		r = attach_tc_for_each(path->pin_dir, add_ifindex, &known);
	if (!r)
		r = attach_xdp_for_each(path->pin_dir, add_ifindex, &known);
	for (size_t i = 0; !r && i < known.n_items; i++) {
		struct datapath_error error = {};
		struct device gone = {.ifindex = known.items[i]};

		if (is_kept(path, devices, n_devices, known.items[i]) ||
		    !detach(path, known.items[i], &error))
			continue;
		snprintf(gone.name, sizeof(gone.name), "number %u", known.items[i]);
		r = add_problem(path, &gone, error.text);
	}
	free(known.items);
	return r;
}

int packet_path_apply(struct packet_path *path, const struct device *devices, size_t n_devices)
{
	int n_pods, n_uplinks;
	int r;

	path->n_problems = 0;
	xdp_path_begin(path->xdp);
	r = drop_others(path, devices, n_devices);
	n_pods = r < 0 ? r : serve_all(path, devices, n_devices, false);
	n_uplinks = n_pods < 0 ? n_pods : serve_all(path, devices, n_devices, true);
	return n_uplinks < 0 ? n_uplinks : n_pods + n_uplinks;
}

void packet_path_for_each_problem(const struct packet_path *path,
				  void (*fn)(void *arg, const char *subject, const char *text),
				  void *arg)
{
	for (size_t i = 0; i < path->n_problems; i++)
		fn(arg, path->problems[i].subject, path->problems[i].text);
}

void packet_path_for_each_xdp(const struct packet_path *path,
			      void (*fn)(void *arg, const char *device, const char *text),
			      void *arg)
{
	xdp_path_for_each(path->xdp, fn, arg);
}

int packet_path_remove(const char *pin_dir, struct datapath_error *ret_error)
{
	char maps_dir[PIN_PATH_BYTES];
	int r = attach_xdp_remove(pin_dir, ret_error);

	if (!r)
		r = attach_tc_remove(pin_dir, ret_error);
	if (r < 0)
		return r;
	r = maps_unpin_packet_path(pin_maps_dir(pin_dir, maps_dir));
	if (r < 0)
		return error_set(ret_error, r, "cannot unpin the packet path's maps in %s: %s",
				 maps_dir, strerror(-r));
	return 0;
}
