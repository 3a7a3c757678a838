/* SPDX-License-Identifier: Apache-2.0 */
/* The packet programs of a pin directory, and the devices they are on. */
#ifndef SVCBPF_DATAPATH_PACKET_PATH_H
#define SVCBPF_DATAPATH_PACKET_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/devices.h"
#include "datapath/maps.h"

struct packet_path;

/**
 * struct packet_path_options - what to open.
 * @pin_dir: borrowed for as long as the packet path is open; so is @maps.
 * @config: constants of the programs.
 * @is_clsact: attach by filters.
 * @xdp: on uplinks, in front of the others.
 */
struct packet_path_options {
	const char *pin_dir;
	struct maps *maps;
	const struct svc_packet_config *config;
	bool is_clsact;
	enum datapath_xdp xdp;
};

/**
 * packet_path_open() - load the programs; nothing is attached yet. Those of devices without a
 * link-layer header are loaded when such a device is served first.
 * Return: as object_load(). Free with packet_path_free().
 */
int packet_path_open(const struct packet_path_options *options, struct packet_path **ret,
		     struct datapath_error *ret_error);

/** packet_path_free() - what is attached stays. NULL is fine. */
void packet_path_free(struct packet_path *path);

/** packet_path_apply() - see datapath_set_devices(). */
int packet_path_apply(struct packet_path *path, const struct device *devices, size_t n_devices,
		      uint32_t budget_ms);

/** packet_path_apply_more() - see datapath_set_more_devices(). */
int packet_path_apply_more(struct packet_path *path, uint32_t budget_ms);

/** packet_path_n_served() - see datapath_n_devices(). */
size_t packet_path_n_served(const struct packet_path *path);

/** packet_path_for_each_problem() - devices that could not be served; @subject: "device NAME". */
void packet_path_for_each_problem(const struct packet_path *path,
				  void (*fn)(void *arg, const char *subject, const char *text),
				  void *arg);

/** packet_path_for_each_xdp() - see datapath_for_each_xdp(). */
void packet_path_for_each_xdp(const struct packet_path *path,
			      void (*fn)(void *arg, const char *device, const char *text),
			      void *arg);

/**
 * packet_path_remove() - the packet path is turned off: detach it everywhere, and unpin the maps
 * that only it uses.
 * Return: 0 or negative errno.
 */
int packet_path_remove(const char *pin_dir, struct datapath_error *ret_error);

#endif
