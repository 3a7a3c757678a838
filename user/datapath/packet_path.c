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
#include "util/clock.h"

/** struct packet_problem - a device that could not be served. */
struct packet_problem {
	char subject[32];
	char text[224];
};

/** struct problem_list - an array of them. */
struct problem_list {
	struct packet_problem *items;
	size_t n_items;
};

/** struct ifindexes - an array of them. */
struct ifindexes {
	uint32_t *items;
	size_t n_items;
};

/**
 * struct packet_pass - all devices, one after the other, in as many steps as it takes.
 * @devices: copied: all that are meant.
 * @others: what is attached, recorded or stored.
 * @next_device, @next_other: where the next step begins.
 * @n_served: devices that have their programs.
 * @found: problems so far.
 */
struct packet_pass {
	struct device *devices;
	size_t n_devices;
	struct ifindexes others;
	size_t next_device;
	size_t next_other;
	size_t n_served;
	struct problem_list found;
};

/** struct programs - of one kind of devices. @object: NULL: not loaded yet. */
struct programs {
	struct object *object;
	struct attach_tc_program sides[ATTACH_TC_N_SIDES];
};

/**
 * struct packet_path - the packet programs and where they are.
 * @config: for what is loaded later.
 * @ethernet, @bare: programs of devices with a link-layer header, and without: those are loaded
 *	with the first such device.
 * @told: problems of the last whole pass.
 */
struct packet_path {
	const char *pin_dir;
	struct maps *maps;
	struct svc_packet_config config;
	bool is_clsact;
	struct programs ethernet;
	struct programs bare;
	struct xdp_path *xdp;
	struct packet_pass pass;
	struct problem_list told;
};

/* ------------------------------------------------------------------ opening */

static int find_programs(struct programs *programs, bool is_bare, struct datapath_error *ret_error)
{
	static const char *const names[2][ATTACH_TC_N_SIDES] = {
		{[ATTACH_TC_EGRESS] = "egress_l2", [ATTACH_TC_INGRESS] = "ingress_l2"},
		{[ATTACH_TC_EGRESS] = "egress_l3", [ATTACH_TC_INGRESS] = "ingress_l3"},
	};

	for (int side = 0; side < ATTACH_TC_N_SIDES; side++) {
		struct attach_tc_program *program = &programs->sides[side];
		const char *name = names[is_bare][side];
		int r = object_program_id(programs->object, name, &program->id);

		if (r < 0)
			return error_set(ret_error, r, "packet program %s: %s", name, strerror(-r));
		program->fd = object_program_fd(programs->object, name);
	}
	return 0;
}

/* Blocks for as long as the verifier takes: tenths of a second. */
static int load(const struct packet_path *path, bool is_bare, struct programs *ret,
		struct datapath_error *ret_error)
{
	const struct object_request request = {
		.kind = is_bare ? OBJECT_TC_BARE : OBJECT_TC,
		.packet = &path->config,
	};
	struct programs programs = {};
	int r = object_load(path->maps, &request, &programs.object, ret_error);

	if (!r)
		r = find_programs(&programs, is_bare, ret_error);
	if (r < 0) {
		object_free(programs.object);
		return r;
	}
	*ret = programs;
	return 0;
}

static void packet_path_freep(struct packet_path **path)
{
	packet_path_free(*path);
}

int packet_path_open(const struct packet_path_options *options, struct packet_path **ret,
		     struct datapath_error *ret_error)
{
	_cleanup_(packet_path_freep) struct packet_path *path = calloc(1, sizeof(*path));
	int r;

	if (!path)
		return error_set(ret_error, -ENOMEM, "out of memory");
	path->pin_dir = options->pin_dir;
	path->maps = options->maps;
	path->config = *options->config;
	path->is_clsact = options->is_clsact;
	r = load(path, false, &path->ethernet, ret_error);
	if (!r)
		r = xdp_path_open(options, &path->xdp, ret_error);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(path);
	return 0;
}

static void pass_clear(struct packet_pass *pass)
{
	free(pass->devices);
	free(pass->others.items);
	free(pass->found.items);
	*pass = (struct packet_pass){};
}

void packet_path_free(struct packet_path *path)
{
	if (!path)
		return;
	object_free(path->ethernet.object);
	object_free(path->bare.object);
	xdp_path_free(path->xdp);
	pass_clear(&path->pass);
	free(path->told.items);
	free(path);
}

/* ------------------------------------------------------------------ the map of devices */

/* A slot is zeroed for a new device, unless a device that is still there shares it. */
static int clear_counters(struct packet_path *path, uint32_t ifindex)
{
	const struct device *devices = path->pass.devices;
	const uint32_t slot = ifindex % SVC_DEVICE_SLOTS;
	const int n_cpus = libbpf_num_possible_cpus();
	_free_ struct svc_device_counters *zero = NULL;

	for (size_t i = 0; i < path->pass.n_devices; i++)
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
	struct problem_list *list = &path->pass.found;
	struct packet_problem *grown = reallocarray(list->items, list->n_items + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->items = grown;
	grown += list->n_items++;
	snprintf(grown->subject, sizeof(grown->subject), "device %s", device->name);
	snprintf(grown->text, sizeof(grown->text), "%s", text);
	return 0;
}

/* The entry first: the programs look their own device up. */
static int attach(struct packet_path *path, const struct device *device,
		  struct datapath_error *ret_error)
{
	const bool is_bare = device->value.flags & SVC_DEVICE_F_L3;
	const struct programs *programs = is_bare ? &path->bare : &path->ethernet;
	int r = 0;

	if (!programs->object) /* tried anew with each pass, should it fail */
		r = load(path, is_bare, &path->bare, ret_error);
	for (int side = 0; !r && side < ATTACH_TC_N_SIDES; side++) {
		const struct attach_tc_place place = {path->pin_dir, device->ifindex,
						      (enum attach_tc_side)side};

		r = attach_tc(&place, &programs->sides[side], path->is_clsact, ret_error);
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
		     struct datapath_error *ret_error)
{
	const struct svc_device value = xdp_path_value(path->xdp, device);
	struct svc_device old;
	const bool is_new = !find_entry(path, device->ifindex, &old);
	int r = 0;

	if (!is_new && memcmp(&old, &value, sizeof(old)) == 0)
		return 0;
	if (is_new)
		r = clear_counters(path, device->ifindex);
	if (!r)
		r = maps_insert(path->maps, MAP_DEVICES, &device->ifindex, &value);
	return r < 0 ? error_set(ret_error, r, "cannot store it: %s", strerror(-r)) : 0;
}

/* In front of the others, which do without: no reason to take them away. The entry says whether
 * others may send to it.
 */
static int serve_xdp(struct packet_path *path, const struct device *device)
{
	struct datapath_error error = {};
	int r = xdp_path_serve(path->xdp, device, &error);
	int w = put_entry(path, device, r < 0 ? NULL : &error);

	if (r == -ENODEV || (r == 0 && w == 0))
		return 0;
	return add_problem(path, device, error.text);
}

/* A device that has gone meanwhile is no problem; one that had programs keeps what it has. */
static int serve(struct packet_path *path, const struct device *device)
{
	struct datapath_error error = {}, ignored = {};
	struct svc_device old;
	const bool is_new = !find_entry(path, device->ifindex, &old);
	int r;

	r = put_entry(path, device, &error);
	if (!r)
		r = attach(path, device, &error);
	if (r == 0) {
		r = serve_xdp(path, device);
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

static int visit(struct packet_path *path, const struct device *device)
{
	int r = is_wanted(path, device) ? serve(path, device) : explain_unserved(path, device);

	if (r > 0)
		path->pass.n_served++;
	return r < 0 ? r : 0;
}

static bool is_kept(const struct packet_path *path, uint32_t ifindex)
{
	const struct packet_pass *pass = &path->pass;

	for (size_t i = 0; i < pass->n_devices; i++)
		if (pass->devices[i].ifindex == ifindex)
			return is_wanted(path, &pass->devices[i]);
	return false;
}

/* What has programs, or a record or an entry, and should not. */
static int drop_other(struct packet_path *path, uint32_t ifindex)
{
	struct datapath_error error = {};
	struct device gone = {.ifindex = ifindex};

	if (is_kept(path, ifindex) || !detach(path, ifindex, &error))
		return 0;
	snprintf(gone.name, sizeof(gone.name), "number %u", ifindex);
	return add_problem(path, &gone, error.text);
}

static bool is_uplink(const struct device *device)
{
	return device->value.flags & SVC_DEVICE_F_UPLINK;
}

/* A reply leaves by the device its request has come by, or between uplinks by another one: they
 * need none of the others, and serve most clients.
 */
static int serve_uplinks(struct packet_path *path)
{
	const struct packet_pass *pass = &path->pass;
	int r = 0;

	for (size_t i = 0; !r && i < pass->n_devices; i++)
		if (is_uplink(&pass->devices[i]))
			r = visit(path, &pass->devices[i]);
	return r;
}

static bool is_over(const struct packet_pass *pass)
{
	return pass->next_other == pass->others.n_items && pass->next_device == pass->n_devices;
}

static int step(struct packet_path *path)
{
	struct packet_pass *pass = &path->pass;
	const struct device *device;

	if (pass->next_other < pass->others.n_items)
		return drop_other(path, pass->others.items[pass->next_other++]);
	device = &pass->devices[pass->next_device++];
	return is_uplink(device) ? 0 : visit(path, device);
}

static int begin_pass(struct packet_path *path, const struct device *devices, size_t n_devices)
{
	struct packet_pass *pass = &path->pass;
	int r;

	pass_clear(pass);
	pass->devices = calloc(n_devices + 1, sizeof(*pass->devices));
	if (!pass->devices)
		return -ENOMEM;
	if (n_devices)
		memcpy(pass->devices, devices, n_devices * sizeof(*devices));
	pass->n_devices = n_devices;
	r = maps_for_each(path->maps, MAP_DEVICES, add_entry, &pass->others);
	if (!r)
		r = attach_tc_for_each(path->pin_dir, add_ifindex, &pass->others);
	return r ? r : attach_xdp_for_each(path->pin_dir, add_ifindex, &pass->others);
}

static void end_pass(struct packet_path *path)
{
	free(path->told.items);
	path->told = path->pass.found;
	path->pass.found = (struct problem_list){};
}

int packet_path_apply_more(struct packet_path *path, uint32_t budget_ms)
{
	struct packet_pass *pass = &path->pass;
	const uint64_t start_ms = clock_now_ms();
	int r = 0;

	while (!r && !is_over(pass)) {
		r = step(path);
		if (clock_now_ms() - start_ms >= budget_ms)
			break;
	}
	if (r < 0)
		pass_clear(pass);
	if (r < 0 || !is_over(pass))
		return r < 0 ? r : 1;
	end_pass(path);
	return 0;
}

int packet_path_apply(struct packet_path *path, const struct device *devices, size_t n_devices,
		      uint32_t budget_ms)
{
	int r = begin_pass(path, devices, n_devices);

	xdp_path_begin(path->xdp);
	if (!r)
		r = serve_uplinks(path);
	if (!r)
		return packet_path_apply_more(path, budget_ms);
	pass_clear(&path->pass);
	return r;
}

size_t packet_path_n_served(const struct packet_path *path)
{
	return path->pass.n_served;
}

void packet_path_for_each_problem(const struct packet_path *path,
				  void (*fn)(void *arg, const char *subject, const char *text),
				  void *arg)
{
	for (size_t i = 0; i < path->told.n_items; i++)
		fn(arg, path->told.items[i].subject, path->told.items[i].text);
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
