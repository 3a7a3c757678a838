/* SPDX-License-Identifier: Apache-2.0 */
/* Removing everything that was ever pinned in a pin directory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "datapath/attach.h"
#include "datapath/attach_tc.h"
#include "datapath/attach_xdp.h"
#include "datapath/error.h"
#include "datapath/pin.h"
#include "util/cleanup.h"

static int remove_links(const char *pin_dir, struct datapath_error *ret_error)
{
	char links_dir[PIN_PATH_BYTES];
	int r;

	pin_links_dir(pin_dir, links_dir);
	r = attach_xdp_remove(pin_dir, ret_error);
	if (!r)
		r = attach_tc_remove(pin_dir, ret_error);
	if (!r)
		r = attach_remove(links_dir, ret_error);
	if (r < 0)
		return r;
	if (rmdir(links_dir) && errno != ENOENT) {
		r = -errno;
		return error_set(ret_error, r, "cannot remove %s: %s", links_dir, strerror(-r));
	}
	return 0;
}

static int note_filter(void *arg, const char *path, const char *name)
{
	bool *has_filter = arg;

	(void)path;
	*has_filter = *has_filter || strncmp(name, "filter-", 7) == 0;
	return 0;
}

/* Filters and qdiscs are reached in their network namespace only; links everywhere. */
static int check_namespace(const char *pin_dir, struct datapath_error *ret_error)
{
	struct datapath_reader *reader = NULL;
	struct datapath_error ignored = {};
	char links_dir[PIN_PATH_BYTES];
	bool is_elsewhere, has_filter = false;
	int r = datapath_reader_open(pin_dir, &reader, &ignored);

	is_elsewhere = r == 0 && datapath_reader_is_elsewhere(reader);
	datapath_reader_close(reader);
	if (!is_elsewhere)
		return 0;
	r = pin_for_each(pin_links_dir(pin_dir, links_dir), note_filter, &has_filter);
	if (r < 0 || !has_filter)
		return r;
	return error_set(ret_error, -EXDEV,
			 "tc filters are in another network namespace, the agent's: run cleanup "
			 "there; if it is gone, so are they: rm -r %s",
			 pin_dir);
}

static int remove_maps(const char *pin_dir)
{
	char maps_dir[PIN_PATH_BYTES];
	int r;

	r = pin_remove_other_abis(pin_dir);
	return r < 0 ? r : pin_remove_maps(pin_maps_dir(pin_dir, maps_dir));
}

int datapath_cleanup(const char *pin_dir, struct datapath_error *ret_error)
{
	_close_ int lock_fd = -1;
	int r;

	if (access(pin_dir, F_OK))
		return error_set(ret_error, -ENOENT, "%s: nothing is there", pin_dir);
	r = pin_lock(pin_dir, &lock_fd, ret_error);
	if (!r)
		r = check_namespace(pin_dir, ret_error);
	if (!r)
		r = remove_links(pin_dir, ret_error);
	if (r < 0)
		return r;
	r = remove_maps(pin_dir);
	if (!r && rmdir(pin_dir))
		r = -errno;
	if (r == -ENOTEMPTY)
		return error_set(ret_error, r, "%s holds something that is not svcbpf's", pin_dir);
	if (r < 0)
		return error_set(ret_error, r, "cannot empty %s: %s", pin_dir, strerror(-r));
	return 0;
}
