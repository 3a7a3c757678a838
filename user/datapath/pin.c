/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "datapath/error.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

#define BPFFS	    "/sys/fs/bpf"
#define MAPS_PREFIX "maps-"

const char *pin_maps_dir(const char *pin_dir, char *buf)
{
	snprintf(buf, PIN_PATH_BYTES, "%s/" MAPS_PREFIX "%u", pin_dir, SVC_ABI_VERSION);
	return buf;
}

const char *pin_links_dir(const char *pin_dir, char *buf)
{
	snprintf(buf, PIN_PATH_BYTES, "%s/links", pin_dir);
	return buf;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* Return: 0; -ENOTSUP when @pin_dir is not, and cannot be, on a bpffs. */
static int check_bpffs(const char *pin_dir, struct datapath_error *ret_error)
{
	bool is_below_default = !strncmp(pin_dir, BPFFS "/", strlen(BPFFS "/"));
	char parent[PIN_PATH_BYTES];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", pin_dir);
	while (access(parent, F_OK) && (slash = strrchr(parent, '/')) && slash != parent)
		*slash = '\0';
	if (is_bpffs(parent))
		return 0;
	if (is_below_default && !mount("bpf", BPFFS, "bpf", 0, "mode=0700"))
		return 0;
	if (is_below_default)
		return error_set(ret_error, -ENOTSUP,
				 "no bpffs on " BPFFS ": run: mount -t bpf bpf " BPFFS
				 " (in a pod: on its node)");
	return error_set(ret_error, -ENOTSUP,
			 "%s is not on a bpffs: choose a --pin-dir below one, such as "
			 "/sys/fs/bpf/svcbpf, or mount one there: mount -t bpf bpf DIR",
			 pin_dir);
}

/* Makes @path and what is missing above it. Return: 0 or negative errno. */
static int make_dir(const char *path)
{
	char partial[PIN_PATH_BYTES];
	char *slash = partial;

	snprintf(partial, sizeof(partial), "%s", path);
	while ((slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		if (mkdir(partial, 0700) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	if (mkdir(partial, 0700) && errno != EEXIST)
		return -errno;
	return 0;
}

static int say_busy(const char *pin_dir, struct datapath_error *ret_error)
{
	pid_t pid = pin_lock_holder(pin_dir);
	char who[32] = "";

	if (pid)
		snprintf(who, sizeof(who), " (pid %d)", pid);
	return error_set(ret_error, -EBUSY,
			 "another svcbpf%s uses %s; stop it or choose another --pin-dir", who,
			 pin_dir);
}

int pin_lock(const char *pin_dir, int *ret_fd, struct datapath_error *ret_error)
{
	_close_ int fd = -1;
	int r;

	if (pin_dir[0] != '/' || strlen(pin_dir) > PIN_DIR_MAX)
		return error_set(ret_error, -EINVAL,
				 "pin dir %.64s: must be an absolute path of at most %d bytes",
				 pin_dir, PIN_DIR_MAX);
	r = check_bpffs(pin_dir, ret_error);
	if (r < 0)
		return r;
	r = make_dir(pin_dir);
	if (r < 0)
		return error_set(ret_error, r, "cannot make %s: %s", pin_dir, strerror(-r));
	fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		return error_set(ret_error, r, "cannot open %s: %s", pin_dir, strerror(-r));
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = -errno;
		if (r == -EWOULDBLOCK)
			return say_busy(pin_dir, ret_error);
		return error_set(ret_error, r, "cannot lock %s: %s", pin_dir, strerror(-r));
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int pin_make_dirs(const char *pin_dir, struct datapath_error *ret_error)
{
	char path[PIN_PATH_BYTES];
	int r;

	r = make_dir(pin_maps_dir(pin_dir, path));
	if (!r)
		r = make_dir(pin_links_dir(pin_dir, path));
	if (r < 0)
		return error_set(ret_error, r, "cannot make %s: %s", path, strerror(-r));
	return 0;
}

void pin_remove_empty(const char *pin_dir)
{
	char path[PIN_PATH_BYTES];

	rmdir(pin_maps_dir(pin_dir, path));
	rmdir(pin_links_dir(pin_dir, path));
	rmdir(pin_dir);
}

/*
 * A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 00:2d:12345 0 EOF". Reading it does not
 * disturb an agent that starts just now, as trying the lock would.
 */
pid_t pin_lock_holder(const char *pin_dir)
{
	_fclose_ FILE *locks = fopen("/proc/locks", "re");
	char line[256], where[64], pid[16], id[64];
	struct stat st;

	if (!locks || stat(pin_dir, &st))
		return 0;
	snprintf(id, sizeof(id), "%02x:%02x:%lu", major(st.st_dev), minor(st.st_dev),
		 (unsigned long)st.st_ino);
	while (fgets(line, sizeof(line), locks)) {
		if (sscanf(line, "%*s FLOCK ADVISORY WRITE %15s %63s", pid, where) == 2 &&
		    !strcmp(where, id))
			return (pid_t)strtol(pid, NULL, 10);
	}
	return 0;
}

int pin_for_each(const char *dir, int (*fn)(void *arg, const char *path, const char *name),
		 void *arg)
{
	_closedir_ DIR *entries = opendir(dir);
	char path[PIN_PATH_BYTES];
	struct dirent *entry;
	int r;

	if (!entries)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		r = fn(arg, path, entry->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

/** struct record_walk - pin_for_each_device() under way. */
struct record_walk {
	bool (*is_record)(const char *name, uint32_t *ret_ifindex);
	int (*fn)(void *arg, uint32_t ifindex);
	void *arg;
};

static int tell_record(void *arg, const char *path, const char *name)
{
	const struct record_walk *walk = arg;
	uint32_t ifindex;

	(void)path;
	return walk->is_record(name, &ifindex) ? walk->fn(walk->arg, ifindex) : 0;
}

int pin_for_each_device(const char *pin_dir,
			bool (*is_record)(const char *name, uint32_t *ret_ifindex),
			int (*fn)(void *arg, uint32_t ifindex), void *arg)
{
	struct record_walk walk = {is_record, fn, arg};
	char links_dir[PIN_PATH_BYTES];

	return pin_for_each(pin_links_dir(pin_dir, links_dir), tell_record, &walk);
}

/** struct removal - pin_remove_devices() under way. */
struct removal {
	const char *pin_dir;
	int (*detach)(const char *pin_dir, uint32_t ifindex, struct datapath_error *ret_error);
	struct datapath_error *error;
};

static int remove_one(void *arg, uint32_t ifindex)
{
	const struct removal *removal = arg;

	return removal->detach(removal->pin_dir, ifindex, removal->error);
}

int pin_remove_devices(const char *pin_dir,
		       bool (*is_record)(const char *name, uint32_t *ret_ifindex),
		       int (*detach)(const char *pin_dir, uint32_t ifindex,
				     struct datapath_error *ret_error),
		       struct datapath_error *ret_error)
{
	struct removal removal = {pin_dir, detach, ret_error};
	int r = pin_for_each_device(pin_dir, is_record, remove_one, &removal);

	if (r < 0 && !*ret_error->text)
		return error_set(ret_error, r, "cannot read the links of %s: %s", pin_dir,
				 strerror(-r));
	return r;
}

static int unpin(void *arg, const char *path, const char *name)
{
	(void)arg;
	(void)name;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

int pin_remove_maps(const char *maps_dir)
{
	int r;

	r = pin_for_each(maps_dir, unpin, NULL);
	if (r < 0)
		return r;
	return rmdir(maps_dir) && errno != ENOENT ? -errno : 0;
}

static bool is_other_abi(const char *name)
{
	const char *digits = name + strlen(MAPS_PREFIX);
	char *end;

	return !strncmp(name, MAPS_PREFIX, strlen(MAPS_PREFIX)) && *digits &&
	       strtoul(digits, &end, 10) != SVC_ABI_VERSION && !*end;
}

static int remove_other(void *arg, const char *path, const char *name)
{
	(void)arg;
	return is_other_abi(name) ? pin_remove_maps(path) : 0;
}

int pin_remove_other_abis(const char *pin_dir)
{
	return pin_for_each(pin_dir, remove_other, NULL);
}

static int note_other(void *arg, const char *path, const char *name)
{
	bool *has_other = arg;

	(void)path;
	*has_other |= is_other_abi(name);
	return 0;
}

bool pin_has_other_abi(const char *pin_dir)
{
	bool has_other = false;

	return !pin_for_each(pin_dir, note_other, &has_other) && has_other;
}
