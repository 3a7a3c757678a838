/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/attach.h"
#include "datapath/attach_tc.h"
#include "datapath/attach_xdp.h"
#include "datapath/convert.h"
#include "datapath/error.h"
#include "datapath/pin.h"
#include "datapath/require.h"
#include "util/cleanup.h"

static int explain_missing(int r, const char *pin_dir, const char *maps_dir,
			   struct datapath_error *ret_error)
{
	if (r == -EACCES)
		return error_set(ret_error, -EPERM, "%s: permission denied; run as root", pin_dir);
	if (pin_has_other_abi(pin_dir))
		return error_set(ret_error, -EPROTO,
				 "%s was made by another version of svcbpf: it has no %s", pin_dir,
				 maps_dir + strlen(pin_dir) + 1);
	return error_set(ret_error, -ENOENT, "%s: nothing is pinned there; is svcbpf running?",
			 pin_dir);
}

static void reader_closep(struct datapath_reader **reader)
{
	datapath_reader_close(*reader);
}

int datapath_reader_open(const char *pin_dir, struct datapath_reader **ret,
			 struct datapath_error *ret_error)
{
	_cleanup_(reader_closep) struct datapath_reader *reader = NULL;
	char maps_dir[PIN_PATH_BYTES];
	int r;

	if (strlen(pin_dir) > PIN_DIR_MAX)
		return error_set(ret_error, -EINVAL, "pin dir %.64s: too long", pin_dir);
	if (access(pin_maps_dir(pin_dir, maps_dir), F_OK))
		return explain_missing(-errno, pin_dir, maps_dir, ret_error);
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return error_set(ret_error, -ENOMEM, "out of memory");
	maps_init(&reader->maps);
	reader->pin_dir = strdup(pin_dir);
	if (!reader->pin_dir)
		return error_set(ret_error, -ENOMEM, "out of memory");
	r = maps_open_readonly(&reader->maps, maps_dir, ret_error);
	if (r < 0)
		return r;
	if (reader->maps.meta->magic != SVC_META_MAGIC)
		return error_set(ret_error, -ENOENT, "%s: the agent has not finished its start",
				 pin_dir);
	*ret = TAKE_PTR(reader);
	return 0;
}

void datapath_reader_close(struct datapath_reader *reader)
{
	if (!reader)
		return;
	maps_close(&reader->maps);
	free(reader->pin_dir);
	free(reader);
}

void datapath_reader_check_tables(struct datapath_reader *reader)
{
	reader->is_thorough = true;
}

const struct svc_meta *datapath_reader_meta(const struct datapath_reader *reader)
{
	return reader->maps.meta;
}

bool datapath_reader_is_running(const struct datapath_reader *reader)
{
	return pin_lock_holder(reader->pin_dir) != 0;
}

bool datapath_reader_is_elsewhere(const struct datapath_reader *reader)
{
	const uint64_t theirs = reader->maps.meta->netns_inode;
	const uint64_t ours = require_netns_inode();

	return theirs && ours && theirs != ours;
}

int reader_slot(const struct maps *maps, uint32_t slot, struct svc_service *ret_service)
{
	const uint64_t *words;
	uint64_t copy[sizeof(struct svc_service) / sizeof(uint64_t)];
	size_t i;

	if (!slot || slot >= maps->capacities[MAP_SERVICES])
		return -EAGAIN;
	words = maps_at(maps, MAP_SERVICES, slot);
	for (i = 0; i < ARRAY_SIZE(copy); i++)
		copy[i] = maps_load(&words[i]);
	memcpy(ret_service, copy, sizeof(*ret_service));
	return 0;
}

int reader_backend(const struct maps *maps, uint8_t family, uint32_t index,
		   struct backend *ret_backend)
{
	bool is_ipv4 = family == SVC_FAMILY_IPV4;

	if (index >= maps->capacities[is_ipv4 ? MAP_BACKENDS4 : MAP_BACKENDS6])
		return -EAGAIN;
	if (is_ipv4)
		convert_entry4(maps_at(maps, MAP_BACKENDS4, index), ret_backend);
	else
		convert_entry6(maps_at(maps, MAP_BACKENDS6, index), ret_backend);
	return 0;
}

uint32_t reader_backend_id(const struct maps *maps, uint8_t family, uint32_t index)
{
	enum map_id id = family == SVC_FAMILY_IPV4 ? MAP_BACKEND_IDS4 : MAP_BACKEND_IDS6;

	return index < maps->capacities[id] ? (uint32_t)maps_load(maps_at(maps, id, index)) : 0;
}

/** struct link_walk - datapath_read_links() under way. */
struct link_walk {
	void (*fn)(void *arg, const struct datapath_link *link);
	void *arg;
};

static int tell_link(void *arg, const char *path, const char *name)
{
	const struct link_walk *walk = arg;
	struct datapath_link link = {.name = name};
	int r;

	if (attach_tc_is_record(name, NULL) || attach_xdp_is_record(name, NULL))
		return 0;
	r = attach_read_link(path, &link.program_id, &link.cgroup_id, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	walk->fn(walk->arg, &link);
	return 0;
}

int datapath_read_links(const char *pin_dir,
			void (*fn)(void *arg, const struct datapath_link *link), void *arg)
{
	struct link_walk walk = {.fn = fn, .arg = arg};
	char links_dir[PIN_PATH_BYTES];

	return pin_for_each(pin_links_dir(pin_dir, links_dir), tell_link, &walk);
}
