/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pin directory, a folder on a bpffs:
 *
 *	PIN_DIR/maps-<ABI>/NAME		maps; another ABI's folder can stand beside it
 *	PIN_DIR/links/NAME		attached programs
 *
 * The agent holds an flock(2) on PIN_DIR while it runs.
 */
#ifndef SVCBPF_DATAPATH_PIN_H
#define SVCBPF_DATAPATH_PIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/datapath.h"

/** PIN_PATH_BYTES - holds any path below a pin directory, NUL included. */
#define PIN_PATH_BYTES 4352

/** PIN_DIR_MAX - longest pin directory, in bytes without NUL. */
#define PIN_DIR_MAX 4000

/** pin_maps_dir() - the folder of this ABI's maps. @buf: PIN_PATH_BYTES. Return: @buf. */
const char *pin_maps_dir(const char *pin_dir, char *buf);

/** pin_links_dir() - the folder of the links. @buf: PIN_PATH_BYTES. Return: @buf. */
const char *pin_links_dir(const char *pin_dir, char *buf);

/**
 * pin_lock() - make the pin directory when it is missing and lock it.
 * @ret_fd: the lock; close it to give it up.
 *
 * Mounts a bpffs on /sys/fs/bpf when the directory is below it and none is there.
 * Return: 0; -EBUSY: another agent runs; -ENOTSUP: not on a bpffs; -EPERM; other errno of mkdir(2).
 */
int pin_lock(const char *pin_dir, int *ret_fd, struct datapath_error *ret_error);

/** pin_make_dirs() - make the folders below. Return: 0 or negative errno. */
int pin_make_dirs(const char *pin_dir, struct datapath_error *ret_error);

/** pin_remove_empty() - remove the folders that are empty, the pin directory included. */
void pin_remove_empty(const char *pin_dir);

/**
 * pin_lock_holder() - who holds the lock, without taking it.
 * Return: process id as this pid namespace knows it; 0: nobody (or nobody that it can see).
 */
pid_t pin_lock_holder(const char *pin_dir);

/**
 * pin_for_each() - call @fn for each entry of a folder. A negative return ends the walk.
 * Return: 0, also when there is no such folder; what @fn returned; negative errno.
 */
int pin_for_each(const char *dir, int (*fn)(void *arg, const char *path, const char *name),
		 void *arg);

/**
 * pin_for_each_device() - call @fn for the device of each record in the folder of the links,
 * perhaps more than once. A negative return ends the walk.
 * @is_record: whether a name is a record, and of which device.
 * Return: 0, also when there is no such folder; what @fn returned; negative errno.
 */
int pin_for_each_device(const char *pin_dir,
			bool (*is_record)(const char *name, uint32_t *ret_ifindex),
			int (*fn)(void *arg, uint32_t ifindex), void *arg);

/**
 * pin_remove_devices() - call @detach for the device of each record, until it fails.
 * @is_record: as above.
 * Return: 0 or negative errno.
 */
int pin_remove_devices(const char *pin_dir,
		       bool (*is_record)(const char *name, uint32_t *ret_ifindex),
		       int (*detach)(const char *pin_dir, uint32_t ifindex,
				     struct datapath_error *ret_error),
		       struct datapath_error *ret_error);

/** pin_remove_maps() - unpin the maps of one ABI's folder and remove it. Return: 0 or negative
 * errno. */
int pin_remove_maps(const char *maps_dir);

/** pin_remove_other_abis() - the same for all folders but this ABI's. Return: 0 or negative errno.
 */
int pin_remove_other_abis(const char *pin_dir);

/** pin_has_other_abi() - whether maps of another ABI are pinned. */
bool pin_has_other_abi(const char *pin_dir);

#endif
