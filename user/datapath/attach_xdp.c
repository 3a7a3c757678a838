/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/attach_xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath/bpf_log.h"
#include "datapath/error.h"
#include "datapath/pin.h"
#include "util/cleanup.h"

#define RECORD_PATH_BYTES (PIN_PATH_BYTES + 64)
#define RECORD_PREFIX	  "xdp-"

/* ------------------------------------------------------------------ records */

static void link_path(const char *pin_dir, uint32_t ifindex, char *ret_path)
{
	char links_dir[PIN_PATH_BYTES];

	snprintf(ret_path, RECORD_PATH_BYTES, "%s/" RECORD_PREFIX "%u",
		 pin_links_dir(pin_dir, links_dir), ifindex);
}

bool attach_xdp_is_record(const char *name, uint32_t *ret_ifindex)
{
	const size_t len = strlen(RECORD_PREFIX);
	unsigned long ifindex;
	char *end;

	if (strncmp(name, RECORD_PREFIX, len) != 0 || name[len] < '0' || name[len] > '9')
		return false;
	ifindex = strtoul(name + len, &end, 10);
	if (*end || ifindex > INT32_MAX)
		return false;
	if (ret_ifindex)
		*ret_ifindex = (uint32_t)ifindex;
	return true;
}

/* ------------------------------------------------------------------ reading */

/* The programs on a device, by mode. */
static int query(uint32_t ifindex, uint32_t ret_ids[2])
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	struct bpf_log log;
	int r;

	bpf_log_begin(&log);
	r = bpf_xdp_query((int)ifindex, 0, &opts);
	bpf_log_end(&log);
	if (r < 0)
		return r;
	ret_ids[0] = opts.drv_prog_id;
	ret_ids[1] = opts.skb_prog_id;
	if (opts.attach_mode == XDP_ATTACHED_DRV)
		ret_ids[0] = opts.prog_id;
	else if (opts.attach_mode == XDP_ATTACHED_SKB)
		ret_ids[1] = opts.prog_id;
	return 0;
}

/* The pinned link. Return: its file descriptor; negative errno. @ret_program_id: 0: it is nowhere.
 */
static int open_link(const char *pin_dir, uint32_t ifindex, uint32_t *ret_program_id)
{
	char path[RECORD_PATH_BYTES];
	struct bpf_link_info info = {};
	uint32_t len_bytes = sizeof(info);
	int fd;

	*ret_program_id = 0;
	link_path(pin_dir, ifindex, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len_bytes) && info.type == BPF_LINK_TYPE_XDP &&
	    info.xdp.ifindex == ifindex)
		*ret_program_id = info.prog_id;
	return fd;
}

/* The number of a device of another network namespace may be the same: the program tells. */
static enum datapath_xdp mode_of(uint32_t ifindex, uint32_t program_id)
{
	uint32_t ids[2];

	if (!program_id || query(ifindex, ids) < 0)
		return DATAPATH_XDP_OFF;
	if (ids[0] == program_id)
		return DATAPATH_XDP_NATIVE;
	return ids[1] == program_id ? DATAPATH_XDP_GENERIC : DATAPATH_XDP_OFF;
}

enum datapath_xdp attach_xdp_read(const char *pin_dir, uint32_t ifindex, uint32_t *ret_program_id)
{
	_close_ int fd = open_link(pin_dir, ifindex, ret_program_id);
	enum datapath_xdp mode = mode_of(ifindex, *ret_program_id);

	if (mode == DATAPATH_XDP_OFF)
		*ret_program_id = 0;
	return mode;
}

/* ------------------------------------------------------------------ attaching */

static int explain(int r, uint32_t ifindex, enum datapath_xdp mode,
		   struct datapath_error *ret_error)
{
	char name[IF_NAMESIZE];
	uint32_t ids[2] = {};

	/* which the kernel calls EINVAL */
	if (!if_indextoname(ifindex, name))
		return error_set(ret_error, -ENODEV, "it is gone");
	if (r == -EBUSY || r == -EEXIST) {
		query(ifindex, ids);
		return error_set(ret_error, -EBUSY,
				 "another XDP program (id %u) is on it: it is left there, and "
				 "packets take the way through tc",
				 ids[0] ? ids[0] : ids[1]);
	}
	return error_set(ret_error, r, "no %s XDP: %s",
			 mode == DATAPATH_XDP_NATIVE ? "native" : "generic", strerror(-r));
}

static int make_link(const char *pin_dir, uint32_t ifindex, int program_fd, enum datapath_xdp mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = mode == DATAPATH_XDP_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	char path[RECORD_PATH_BYTES];
	_close_ int fd = bpf_link_create(program_fd, (int)ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return fd;
	link_path(pin_dir, ifindex, path);
	return bpf_obj_pin(fd, path); /* a link that is not pinned ends with its descriptor */
}

int attach_xdp(const char *pin_dir, uint32_t ifindex, const struct attach_xdp_program *program,
	       enum datapath_xdp mode, struct datapath_error *ret_error)
{
	uint32_t old_id;
	_close_ int fd = open_link(pin_dir, ifindex, &old_id);
	int r;

	if (fd >= 0 && mode_of(ifindex, old_id) == mode) {
		r = old_id == program->id ? 0 : bpf_link_update(fd, program->fd, NULL);
	} else {
		r = attach_xdp_detach(pin_dir, ifindex, ret_error);
		if (r < 0)
			return r;
		r = make_link(pin_dir, ifindex, program->fd, mode);
	}
	return r < 0 ? explain(r, ifindex, mode, ret_error) : 0;
}

int attach_xdp_detach(const char *pin_dir, uint32_t ifindex, struct datapath_error *ret_error)
{
	char path[RECORD_PATH_BYTES];
	uint32_t program_id;
	_close_ int fd = open_link(pin_dir, ifindex, &program_id);

	link_path(pin_dir, ifindex, path);
	if (fd >= 0)
		bpf_link_detach(fd); /* at once; fails when its device is gone */
	if (unlink(path) && errno != ENOENT) {
		int r = -errno;

		return error_set(ret_error, r, "cannot unpin %s: %s", path, strerror(-r));
	}
	return 0;
}

/* ------------------------------------------------------------------ all of them */

int attach_xdp_for_each(const char *pin_dir, int (*fn)(void *arg, uint32_t ifindex), void *arg)
{
	return pin_for_each_device(pin_dir, attach_xdp_is_record, fn, arg);
}

int attach_xdp_remove(const char *pin_dir, struct datapath_error *ret_error)
{
	return pin_remove_devices(pin_dir, attach_xdp_is_record, attach_xdp_detach, ret_error);
}
