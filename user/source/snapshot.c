/* SPDX-License-Identifier: Apache-2.0 */
#include "source/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source/manifest_text.h"
#include "source/snapshot_bytes.h"
#include "source/snapshot_decode.h"
#include "source/snapshot_format.h"
#include "source/text_hash.h"
#include "util/cleanup.h"

/* Not the name of a good snapshot, so that it is never read. */
#define TEMPORARY_FILE SNAPSHOT_FILE ".new"

/* ------------------------------------------------------------------ writing */

static int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_file(int dir_fd, const char *name, const void *data, size_t len)
{
	_close_ int fd =
		openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(TAKE_FD(fd)) < 0 && r == 0)
		r = -errno;
	return r;
}

int snapshot_write(const char *dir, const void *data, size_t len)
{
	_close_ int dir_fd = -1;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	r = write_file(dir_fd, TEMPORARY_FILE, data, len);
	if (r == 0 && renameat(dir_fd, TEMPORARY_FILE, dir_fd, SNAPSHOT_FILE) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, TEMPORARY_FILE, 0);
	else if (fsync(dir_fd) < 0)
		r = -errno;
	return r;
}

/* ------------------------------------------------------------------ reading */

__attribute__((format(printf, 4, 5))) static int fail(struct snapshot_error *error, const char *dir,
						      int r, const char *format, ...)
{
	char reason[128];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	snprintf(error->text, sizeof(error->text), "%.80s/%s: %s; it is not used", dir,
		 SNAPSHOT_FILE, reason);
	return r;
}

/* All of the header but what only the decoder can judge. */
static int check_header(const char *dir, const uint8_t *bytes, size_t len,
			struct snapshot_error *ret_error)
{
	uint32_t version;

	if (len < SNAPSHOT_AT_RESERVED ||
	    snapshot_fetch_u64(bytes + SNAPSHOT_AT_MAGIC) != SNAPSHOT_MAGIC)
		return fail(ret_error, dir, -EBADMSG, "not a snapshot");
	version = snapshot_fetch_u32(bytes + SNAPSHOT_AT_VERSION);
	if (version != SNAPSHOT_VERSION)
		return fail(ret_error, dir, -EPROTO, "of format %u, which is not this version's %u",
			    version, SNAPSHOT_VERSION);
	if (len < SNAPSHOT_HEADER_BYTES || snapshot_fetch_u64(bytes + SNAPSHOT_AT_LEN) != len)
		return fail(ret_error, dir, -EBADMSG, "damaged: its length is wrong");
	if (snapshot_fetch_u32(bytes + SNAPSHOT_AT_RESERVED) ||
	    snapshot_fetch_u64(bytes + SNAPSHOT_AT_CHECKSUM) !=
		    text_hash(0, bytes + SNAPSHOT_AT_LEN, len - SNAPSHOT_AT_LEN))
		return fail(ret_error, dir, -EBADMSG, "damaged: its checksum is wrong");
	return 0;
}

static int check_node(const char *dir, const char *node_name, const uint8_t *bytes, size_t len,
		      struct snapshot_error *ret_error)
{
	const char *saved = snapshot_node_name(bytes, len);

	if (!saved)
		return fail(ret_error, dir, -EBADMSG, "damaged: it names no node");
	if (strcmp(saved, node_name) != 0)
		return fail(ret_error, dir, -EINVAL, "of node %.64s", saved);
	return 0;
}

static int tell(struct snapshot_objects *objects, const struct source_events *events)
{
	int r = events->set_node(events->arg, TAKE_PTR(objects->node));

	for (size_t i = 0; r == 0 && i < objects->n_services; i++)
		r = events->put_service(events->arg, TAKE_PTR(objects->services[i]));
	for (size_t i = 0; r == 0 && i < objects->n_slices; i++)
		r = events->put_slice(events->arg, TAKE_PTR(objects->slices[i]));
	return r == 0 ? events->synced(events->arg) : r;
}

/* Reads the file and checks it. */
static int read_objects(const char *dir, const char *node_name, struct strings *pool,
			struct snapshot_objects *ret_objects, struct snapshot_info *ret_info,
			struct snapshot_error *ret_error)
{
	_free_ char *path = NULL;
	_free_ char *text = NULL;
	const uint8_t *bytes;
	struct stat st;
	size_t len = 0;
	int r;

	if (asprintf(&path, "%s/%s", dir, SNAPSHOT_FILE) < 0)
		return fail(ret_error, dir, -ENOMEM, "%s", strerror(ENOMEM));
	r = manifest_text_read(path, &text, &len, &st);
	if (r < 0)
		return r == -ENOENT ? r : fail(ret_error, dir, r, "%s", strerror(-r));
	bytes = (const uint8_t *)text;
	r = check_header(dir, bytes, len, ret_error);
	if (r == 0)
		r = check_node(dir, node_name, bytes, len, ret_error);
	if (r < 0)
		return r;
	r = snapshot_decode(bytes, len, pool, ret_objects);
	if (r < 0)
		return fail(ret_error, dir, r, "%s", r == -EBADMSG ? "damaged" : strerror(-r));
	*ret_info = (struct snapshot_info){
		.saved_s = (int64_t)snapshot_fetch_u64(bytes + SNAPSHOT_AT_SAVED),
		.n_services = (uint32_t)ret_objects->n_services,
		.n_slices = (uint32_t)ret_objects->n_slices,
	};
	return 0;
}

int snapshot_load(const char *dir, const char *node_name, struct strings *pool,
		  const struct source_events *events, struct snapshot_info *ret_info,
		  struct snapshot_error *ret_error)
{
	_cleanup_(snapshot_objects_clear) struct snapshot_objects objects = {};
	struct snapshot_info info = {};
	int r = read_objects(dir, node_name, pool, &objects, &info, ret_error);

	if (r < 0)
		return r;
	r = tell(&objects, events);
	if (r < 0)
		return fail(ret_error, dir, r, "%s", strerror(-r));
	*ret_info = info;
	return 0;
}
