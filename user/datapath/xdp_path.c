/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/xdp_path.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "datapath/attach_xdp.h"
#include "datapath/error.h"
#include "datapath/object.h"
#include "util/cleanup.h"

/** struct xdp_state - how the program is on an uplink, or why not. */
struct xdp_state {
	char name[DATAPATH_DEVICE_NAME_BYTES];
	char text[160];
};

/** struct xdp_path - @object: NULL: off, or not to be loaded: @note. */
struct xdp_path {
	const char *pin_dir;
	enum datapath_xdp mode;
	struct object *object;
	struct attach_xdp_program program;
	struct xdp_state *states;
	size_t n_states;
	char note[160];
};

/* ------------------------------------------------------------------ opening */

static int load(struct xdp_path *path, const struct packet_path_options *options,
		struct datapath_error *ret_error)
{
	const struct object_request request = {.kind = OBJECT_XDP, .packet = options->config};
	int r = object_load(options->maps, &request, &path->object, ret_error);

	if (r < 0)
		return r;
	r = object_program_id(path->object, "ingress_xdp", &path->program.id);
	if (r < 0)
		return error_set(ret_error, r, "XDP program: %s", strerror(-r));
	path->program.fd = object_program_fd(path->object, "ingress_xdp");
	return 0;
}

static void xdp_path_freep(struct xdp_path **path)
{
	xdp_path_free(*path);
}

int xdp_path_open(const struct packet_path_options *options, struct xdp_path **ret,
		  struct datapath_error *ret_error)
{
	_cleanup_(xdp_path_freep) struct xdp_path *path = calloc(1, sizeof(*path));
	struct datapath_error error = {};
	int r = 0;

	if (!path)
		return error_set(ret_error, -ENOMEM, "out of memory");
	path->pin_dir = options->pin_dir;
	path->mode = options->xdp;
	if (path->mode != DATAPATH_XDP_OFF)
		r = load(path, options, &error);
	if (r < 0 && path->mode != DATAPATH_XDP_AUTO)
		return error_set(ret_error, r, "%s", error.text);
	if (r < 0) {
		object_free(path->object);
		path->object = NULL;
		snprintf(path->note, sizeof(path->note), "%.*s", (int)sizeof(path->note) - 1,
			 error.text);
	}
	*ret = TAKE_PTR(path);
	return 0;
}

void xdp_path_free(struct xdp_path *path)
{
	if (!path)
		return;
	object_free(path->object);
	free(path->states);
	free(path);
}

/* ------------------------------------------------------------------ what is told */

void xdp_path_begin(struct xdp_path *path)
{
	path->n_states = 0;
}

/* Without memory it is not told. */
static void tell(struct xdp_path *path, const struct device *device, const char *text)
{
	struct xdp_state *grown = reallocarray(path->states, path->n_states + 1, sizeof(*grown));

	if (!grown)
		return;
	path->states = grown;
	grown += path->n_states++;
	snprintf(grown->name, sizeof(grown->name), "%s", device->name);
	snprintf(grown->text, sizeof(grown->text), "%.*s", (int)sizeof(grown->text) - 1, text);
}

void xdp_path_for_each(const struct xdp_path *path,
		       void (*fn)(void *arg, const char *device, const char *text), void *arg)
{
	for (size_t i = 0; i < path->n_states; i++)
		fn(arg, path->states[i].name, path->states[i].text);
}

/* ------------------------------------------------------------------ one device */

static bool is_meant(const struct xdp_path *path, const struct device *device)
{
	return path->mode != DATAPATH_XDP_OFF && device->value.flags & SVC_DEVICE_F_UPLINK &&
	       !(device->value.flags & SVC_DEVICE_F_L3) && !device->is_foreign;
}

static enum datapath_xdp wanted_mode(const struct xdp_path *path)
{
	return path->mode == DATAPATH_XDP_GENERIC ? DATAPATH_XDP_GENERIC : DATAPATH_XDP_NATIVE;
}

struct svc_device xdp_path_value(const struct xdp_path *path, const struct device *device)
{
	struct svc_device value = device->value;
	uint32_t program_id;

	if (path->object && is_meant(path, device) &&
	    attach_xdp_read(path->pin_dir, device->ifindex, &program_id) == wanted_mode(path))
		value.flags |= SVC_DEVICE_F_XDP;
	return value;
}

/* Whether the card takes VLAN tags off, which XDP does not see then. ethtool(8): rxvlan. */
static bool hides_tags(const char *name)
{
	_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&flags};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 && flags.data & ETH_FLAG_RXVLAN;
}

/* Frames of a VLAN would be taken for those of the device itself. */
static int check_tags(const struct device *device, struct datapath_error *ret_error)
{
	if (!device->has_upper || !hides_tags(device->name))
		return 0;
	return error_set(ret_error, -EOPNOTSUPP,
			 "no XDP: it takes VLAN tags off, and a device on top may be a VLAN's; "
			 "'ethtool -K %s rxvlan off' lets XDP see them",
			 device->name);
}

static int attach(struct xdp_path *path, const struct device *device,
		  struct datapath_error *ret_error)
{
	int r = check_tags(device, ret_error);

	return r < 0 ? r
		     : attach_xdp(path->pin_dir, device->ifindex, &path->program, wanted_mode(path),
				  ret_error);
}

int xdp_path_serve(struct xdp_path *path, const struct device *device,
		   struct datapath_error *ret_error)
{
	struct datapath_error error = {}, ignored = {};
	int r;

	if (!is_meant(path, device))
		return attach_xdp_detach(path->pin_dir, device->ifindex, ret_error);
	if (!path->object) {
		tell(path, device, path->note);
		return attach_xdp_detach(path->pin_dir, device->ifindex, ret_error);
	}
	r = attach(path, device, &error);
	if (!r) {
		tell(path, device, wanted_mode(path) == DATAPATH_XDP_NATIVE ? "native" : "generic");
		return 0;
	}
	attach_xdp_detach(path->pin_dir, device->ifindex, &ignored);
	if (r == -ENODEV)
		return 0;
	tell(path, device, error.text);
	if (path->mode == DATAPATH_XDP_AUTO && r != -EBUSY)
		return 0;
	return error_set(ret_error, r, "%s", error.text);
}
