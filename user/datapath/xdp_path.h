/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XDP part of the packet path: on uplinks with an Ethernet header, in front of the programs at
 * tc, which do all that it leaves.
 */
#ifndef SVCBPF_DATAPATH_XDP_PATH_H
#define SVCBPF_DATAPATH_XDP_PATH_H

#include <stdbool.h>

#include "datapath/devices.h"
#include "datapath/packet_path.h"

struct xdp_path;

/**
 * xdp_path_open() - load the program; nothing is attached yet.
 * @options: with @xdp; pin_dir and maps are borrowed for as long as it is open.
 *
 * With DATAPATH_XDP_AUTO a program that cannot be loaded is on no device, and xdp_path_for_each()
 * tells why. Return: as object_load(). Free with xdp_path_free().
 */
int xdp_path_open(const struct packet_path_options *options, struct xdp_path **ret,
		  struct datapath_error *ret_error);

/** xdp_path_free() - what is attached stays. NULL is fine. */
void xdp_path_free(struct xdp_path *path);

/** xdp_path_begin() - forget what xdp_path_for_each() has to tell: all devices are served anew. */
void xdp_path_begin(struct xdp_path *path);

/** xdp_path_value() - the entry of a device, with SVC_DEVICE_F_XDP when it has the program and is
 * to keep it. */
struct svc_device xdp_path_value(const struct xdp_path *path, const struct device *device);

/**
 * xdp_path_serve() - attach the program to a device that should have it, detach it from another.
 * Return: 0, also where DATAPATH_XDP_AUTO finds no native XDP; negative errno: what is wrong is in
 * @ret_error, and the device does without.
 */
int xdp_path_serve(struct xdp_path *path, const struct device *device,
		   struct datapath_error *ret_error);

/** xdp_path_for_each() - see datapath_for_each_xdp(). */
void xdp_path_for_each(const struct xdp_path *path,
		       void (*fn)(void *arg, const char *device, const char *text), void *arg);

#endif
