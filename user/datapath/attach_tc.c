/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/attach_tc.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datapath/clsact.h"
#include "datapath/error.h"
#include "datapath/pin.h"
#include "datapath/tcx.h"
#include "util/cleanup.h"

#define RECORD_PATH_BYTES (PIN_PATH_BYTES + 64)

/* Bits of our filters' handles. */
#define HANDLE_OURS    0x40000000u
#define HANDLE_MADE    0x20000000u /* an agent, perhaps another one, made the qdisc */
#define HANDLE_PIN_DIR 0x1fffffffu /* of its inode number */

/* A record is written under this ending first, then takes its name. */
#define NEW_SUFFIX "-new"

static const char *const side_names[ATTACH_TC_N_SIDES] = {
	[ATTACH_TC_EGRESS] = "egress",
	[ATTACH_TC_INGRESS] = "ingress",
};

static const uint32_t tcx_types[ATTACH_TC_N_SIDES] = {
	[ATTACH_TC_EGRESS] = TCX_ATTACH_EGRESS,
	[ATTACH_TC_INGRESS] = TCX_ATTACH_INGRESS,
};

/* ------------------------------------------------------------------ records */

static void link_path(const struct attach_tc_place *place, const char *suffix, char *ret_path)
{
	char links_dir[PIN_PATH_BYTES];

	snprintf(ret_path, RECORD_PATH_BYTES, "%s/%s-%u%s",
		 pin_links_dir(place->pin_dir, links_dir), side_names[place->side], place->ifindex,
		 suffix);
}

static void filter_path(const struct attach_tc_place *place, const char *suffix, char *ret_path)
{
	char links_dir[PIN_PATH_BYTES];

	snprintf(ret_path, RECORD_PATH_BYTES, "%s/filter-%s-%u%s",
		 pin_links_dir(place->pin_dir, links_dir), side_names[place->side], place->ifindex,
		 suffix);
}

static void qdisc_path(const char *pin_dir, uint32_t ifindex, char *ret_path)
{
	char links_dir[PIN_PATH_BYTES];

	snprintf(ret_path, RECORD_PATH_BYTES, "%s/qdisc-%u", pin_links_dir(pin_dir, links_dir),
		 ifindex);
}

bool attach_tc_is_record(const char *name, uint32_t *ret_ifindex)
{
	static const char *const prefixes[] = {"ingress-", "egress-", "filter-ingress-",
					       "filter-egress-", "qdisc-"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		const size_t len = strlen(prefixes[i]);
		unsigned long ifindex;
		char *end;

		if (strncmp(name, prefixes[i], len) != 0 || name[len] < '0' || name[len] > '9')
			continue;
		ifindex = strtoul(name + len, &end, 10);
		if ((*end && strcmp(end, NEW_SUFFIX) != 0) || ifindex > INT32_MAX)
			continue;
		if (ret_ifindex)
			*ret_ifindex = (uint32_t)ifindex;
		return true;
	}
	return false;
}

static int pin_anew(int fd, const char *path)
{
	unlink(path); /* of an agent that died here */
	return bpf_obj_pin(fd, path);
}

static int remove_record(const char *path)
{
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* The id of the program that is pinned; 0: none. */
static uint32_t pinned_program(const char *path)
{
	_close_ int fd = bpf_obj_get(path);
	struct bpf_prog_info info = {};
	uint32_t len_bytes = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len_bytes) ? info.id : 0;
}

/* ------------------------------------------------------------------ TCX */

/* The pinned link, if it is where it should be. Return: its file descriptor; -ENOENT. */
static int open_link(const struct attach_tc_place *place, struct tcx_link *ret_link)
{
	char path[RECORD_PATH_BYTES];
	_close_ int fd = -1;

	link_path(place, "", path);
	fd = bpf_obj_get(path);
	if (fd < 0 || tcx_read(fd, ret_link) < 0 ||
	    !tcx_is_on(ret_link, place->ifindex, tcx_types[place->side]))
		return -ENOENT;
	return TAKE_FD(fd);
}

static int detach_link(const struct attach_tc_place *place, const char *suffix)
{
	char path[RECORD_PATH_BYTES];
	_close_ int fd = -1;

	link_path(place, suffix, path);
	fd = bpf_obj_get(path);
	if (fd == -ENOENT)
		return 0;
	if (fd >= 0)
		bpf_link_detach(fd); /* at once; fails when its device is gone */
	return remove_record(path);
}

static int make_link(const struct attach_tc_place *place, int program_fd)
{
	char path[RECORD_PATH_BYTES], new_path[RECORD_PATH_BYTES];
	_close_ int fd = tcx_create(program_fd, place->ifindex, tcx_types[place->side]);
	int r;

	if (fd < 0)
		return fd;
	link_path(place, "", path);
	link_path(place, NEW_SUFFIX, new_path);
	r = pin_anew(fd, new_path);
	if (!r)
		r = detach_link(place, "");
	if (!r && rename(new_path, path))
		r = -errno;
	if (r < 0) {
		bpf_link_detach(fd);
		unlink(new_path);
	}
	return r;
}

static int attach_link(const struct attach_tc_place *place, const struct attach_tc_program *program,
		       struct datapath_error *ret_error)
{
	struct tcx_link link;
	_close_ int fd = open_link(place, &link);
	int r;

	if (fd >= 0 && link.program_id == program->id)
		return 0;
	r = fd >= 0 ? bpf_link_update(fd, program->fd, NULL) : make_link(place, program->fd);
	if (r < 0)
		return error_set(ret_error, r, "cannot attach to %s: %s", side_names[place->side],
				 strerror(-r));
	return 0;
}

/* ------------------------------------------------------------------ clsact */

static bool has_qdisc_record(const struct attach_tc_place *place)
{
	char path[RECORD_PATH_BYTES];

	qdisc_path(place->pin_dir, place->ifindex, path);
	return !access(path, F_OK);
}

/*
 * One pin directory's own: several agents' filters share a priority. A bit tells the others whether
 * one of us made the qdisc: the last that leaves removes it.
 */
static uint32_t handle_of(const struct attach_tc_place *place)
{
	struct stat st;
	uint32_t handle = HANDLE_OURS;

	if (has_qdisc_record(place))
		handle |= HANDLE_MADE;
	return stat(place->pin_dir, &st) < 0 ? handle
					     : handle | ((uint32_t)st.st_ino & HANDLE_PIN_DIR);
}

static struct clsact_filter filter_of(const struct attach_tc_place *place)
{
	return (struct clsact_filter){
		.ifindex = place->ifindex,
		.is_ingress = place->side == ATTACH_TC_INGRESS,
		.handle = handle_of(place),
		.priority = ATTACH_TC_PRIORITY,
	};
}

static bool has_filter(const struct attach_tc_place *place)
{
	for (int side = 0; side < ATTACH_TC_N_SIDES; side++) {
		const struct attach_tc_place either = {place->pin_dir, place->ifindex,
						       (enum attach_tc_side)side};
		const struct clsact_filter filter = filter_of(&either);

		if (clsact_read(&filter))
			return true;
	}
	return false;
}

/* With a filter of ours there it is too late: its handle would change. */
static bool is_others_qdisc(const struct attach_tc_place *place)
{
	return has_filter(place) ||
	       !clsact_has_filter(place->ifindex, ATTACH_TC_PRIORITY, HANDLE_OURS | HANDLE_MADE);
}

static int make_qdisc(const struct attach_tc_place *place, int program_fd,
		      struct datapath_error *ret_error)
{
	char path[RECORD_PATH_BYTES];
	const int is_made = clsact_make(place->ifindex, ret_error);
	int r;

	if (is_made < 0 || (!is_made && is_others_qdisc(place)))
		return is_made;
	qdisc_path(place->pin_dir, place->ifindex, path);
	r = pin_anew(program_fd, path);
	if (r == 0)
		return 0;
	if (is_made)
		clsact_destroy(place->ifindex);
	return error_set(ret_error, r, "cannot pin %s: %s", path, strerror(-r));
}

/* Recorded first: who finds the record can tell whether the filter is there. */
static int attach_filter(const struct attach_tc_place *place,
			 const struct attach_tc_program *program, struct datapath_error *ret_error)
{
	struct clsact_filter filter = filter_of(place);
	char path[RECORD_PATH_BYTES], new_path[RECORD_PATH_BYTES];
	int r;

	filter_path(place, "", path);
	filter_path(place, NEW_SUFFIX, new_path);
	if (clsact_read(&filter) == program->id && pinned_program(path) == program->id)
		return 0;
	r = make_qdisc(place, program->fd, ret_error);
	if (r < 0)
		return r;
	r = pin_anew(program->fd, new_path);
	if (r < 0)
		return error_set(ret_error, r, "cannot pin %s: %s", new_path, strerror(-r));
	filter = filter_of(place);
	r = clsact_attach(&filter, program->fd, ret_error);
	if (r < 0) {
		unlink(new_path);
		return r;
	}
	if (rename(new_path, path))
		return error_set(ret_error, -errno, "cannot rename %s", new_path);
	return 0;
}

/* A filter is removed only when what is in it was recorded: the number alone may be another's. */
static int detach_filter(const struct attach_tc_place *place)
{
	const struct clsact_filter filter = filter_of(place);
	char path[RECORD_PATH_BYTES], new_path[RECORD_PATH_BYTES];
	uint32_t program_id;
	int r = 0, w;

	filter_path(place, "", path);
	filter_path(place, NEW_SUFFIX, new_path);
	if (access(path, F_OK) && access(new_path, F_OK))
		return 0;
	program_id = clsact_read(&filter);
	if (program_id &&
	    (program_id == pinned_program(path) || program_id == pinned_program(new_path)))
		r = clsact_detach(&filter);
	if (r < 0)
		return r;
	r = remove_record(path);
	w = remove_record(new_path);
	return r < 0 ? r : w;
}

static int release_qdisc(const char *pin_dir, uint32_t ifindex)
{
	char path[RECORD_PATH_BYTES];

	qdisc_path(pin_dir, ifindex, path);
	if (access(path, F_OK))
		return 0;
	if (clsact_is_unused(ifindex))
		clsact_destroy(ifindex); /* fails when the device has gone meanwhile */
	return remove_record(path);
}

/* ------------------------------------------------------------------ either */

int attach_tc(const struct attach_tc_place *place, const struct attach_tc_program *program,
	      bool is_clsact, struct datapath_error *ret_error)
{
	int r;

	if (is_clsact) {
		r = attach_filter(place, program, ret_error);
		if (!r)
			r = detach_link(place, "");
	} else {
		r = attach_link(place, program, ret_error);
		if (!r)
			r = detach_filter(place);
		if (!r && place->side == ATTACH_TC_INGRESS) /* the last one */
			r = release_qdisc(place->pin_dir, place->ifindex);
	}
	if (r < 0 && !*ret_error->text)
		return error_set(ret_error, r, "cannot detach what was there: %s", strerror(-r));
	return r;
}

int attach_tc_detach(const char *pin_dir, uint32_t ifindex, struct datapath_error *ret_error)
{
	int r = 0;

	for (int side = ATTACH_TC_N_SIDES - 1; !r && side >= 0; side--) {
		const struct attach_tc_place place = {pin_dir, ifindex, (enum attach_tc_side)side};

		r = detach_link(&place, "");
		if (!r)
			r = detach_link(&place, NEW_SUFFIX);
		if (!r)
			r = detach_filter(&place);
	}
	if (!r)
		r = release_qdisc(pin_dir, ifindex);
	if (r < 0)
		return error_set(ret_error, r, "cannot detach from device %u: %s", ifindex,
				 strerror(-r));
	return 0;
}

int attach_tc_for_each(const char *pin_dir, int (*fn)(void *arg, uint32_t ifindex), void *arg)
{
	return pin_for_each_device(pin_dir, attach_tc_is_record, fn, arg);
}

int attach_tc_remove(const char *pin_dir, struct datapath_error *ret_error)
{
	return pin_remove_devices(pin_dir, attach_tc_is_record, attach_tc_detach, ret_error);
}

enum datapath_hook attach_tc_read(const struct attach_tc_place *place, uint32_t *ret_program_id)
{
	const struct clsact_filter filter = filter_of(place);
	char path[RECORD_PATH_BYTES];
	struct tcx_link link;
	_close_ int fd = open_link(place, &link);

	*ret_program_id = 0;
	if (fd >= 0) {
		*ret_program_id = link.program_id;
		return DATAPATH_HOOK_TCX;
	}
	filter_path(place, "", path);
	if (access(path, F_OK))
		return DATAPATH_HOOK_NONE;
	*ret_program_id = clsact_read(&filter);
	return *ret_program_id ? DATAPATH_HOOK_CLSACT : DATAPATH_HOOK_NONE;
}
