/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "datapath/error.h"
#include "datapath/pin.h"
#include "util/cleanup.h"

/* A new link is pinned beside the old one under this ending, then takes its name. */
#define NEW_SUFFIX "-new"

#define MAX_PROGRAMS	16
#define LINK_PATH_BYTES (PIN_PATH_BYTES + 64)

int attach_open_cgroup(const char *path, uint64_t *ret_id, struct datapath_error *ret_error)
{
	_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;
	int r;

	if (fd < 0 || fstatfs(fd, &fs) || fstat(fd, &st)) {
		r = -errno;
		return error_set(ret_error, r, "cgroup %s: %s", path, strerror(-r));
	}
	if ((unsigned long)fs.f_type != CGROUP2_SUPER_MAGIC)
		return error_set(ret_error, -ENOTSUP,
				 "%s is not a cgroup v2 folder: find one with \"findmnt -t "
				 "cgroup2\", or mount it with \"mount -t cgroup2 none DIR\"; then "
				 "use --cgroup",
				 path);
	*ret_id = st.st_ino;
	return TAKE_FD(fd);
}

static int read_link(int fd, uint32_t *ret_program_id, uint64_t *ret_cgroup_id,
		     uint32_t *ret_attach_type)
{
	struct bpf_link_info info = {};
	uint32_t len_bytes = sizeof(info);
	int r;

	r = bpf_obj_get_info_by_fd(fd, &info, &len_bytes);
	if (r < 0)
		return r;
	if (info.type != BPF_LINK_TYPE_CGROUP)
		return -EPROTO;
	*ret_program_id = info.prog_id;
	*ret_cgroup_id = info.cgroup.cgroup_id;
	if (ret_attach_type)
		*ret_attach_type = info.cgroup.attach_type;
	return 0;
}

int attach_read_link(const char *path, uint32_t *ret_program_id, uint64_t *ret_cgroup_id,
		     uint32_t *ret_attach_type)
{
	_close_ int fd = bpf_obj_get(path);

	if (fd < 0)
		return fd;
	return read_link(fd, ret_program_id, ret_cgroup_id, ret_attach_type);
}

/** struct attachment - one program on its way. @link_fd: owned; @is_new: just made. */
struct attachment {
	const struct program_spec *spec;
	int program_fd;
	int link_fd;
	bool is_new;
};

static void link_path(const char *links_dir, const char *name, const char *suffix, char *ret_path)
{
	snprintf(ret_path, LINK_PATH_BYTES, "%s/%s%s", links_dir, name, suffix);
}

/* The pinned link, if it can be updated in place. Return: its file descriptor; -ENOENT. */
static int open_usable_link(const struct attach_request *request, const struct program_spec *spec)
{
	uint32_t program_id, attach_type;
	char path[LINK_PATH_BYTES];
	_close_ int fd = -1;
	uint64_t cgroup_id;

	link_path(request->links_dir, spec->name, "", path);
	fd = bpf_obj_get(path);
	if (fd < 0 || read_link(fd, &program_id, &cgroup_id, &attach_type) < 0 ||
	    cgroup_id != request->cgroup_id || attach_type != spec->attach_type)
		return -ENOENT;
	return TAKE_FD(fd);
}

static int explain_refusal(int r, const struct attach_request *request,
			   const struct program_spec *spec, struct datapath_error *ret_error)
{
	const char *type = libbpf_bpf_attach_type_str((enum bpf_attach_type)spec->attach_type);

	if (r != -EPERM)
		return error_set(ret_error, r, "cannot attach %s to %s: %s", spec->name,
				 request->cgroup, strerror(-r));
	return error_set(ret_error, r,
			 "cannot attach %s to %s: someone else's %s program, there or on a folder "
			 "above, allows no other; find it with \"bpftool cgroup show %s\"",
			 spec->name, request->cgroup, type ? type : "cgroup", request->cgroup);
}

static int make_link(const struct attach_request *request, struct attachment *attachment,
		     struct datapath_error *ret_error)
{
	const struct program_spec *spec = attachment->spec;
	char path[LINK_PATH_BYTES];
	_close_ int fd = -1;
	int r;

	fd = bpf_link_create(attachment->program_fd, request->cgroup_fd,
			     (enum bpf_attach_type)spec->attach_type, NULL);
	if (fd < 0)
		return explain_refusal(fd, request, spec, ret_error);
	link_path(request->links_dir, spec->name, NEW_SUFFIX, path);
	unlink(path); /* of an agent that died here */
	r = bpf_obj_pin(fd, path);
	if (r < 0)
		return error_set(ret_error, r, "cannot pin %s: %s", path, strerror(-r));
	attachment->link_fd = TAKE_FD(fd);
	attachment->is_new = true;
	return 0;
}

/* The first half, all that can be refused: nothing that was attached has changed after it. */
static int prepare(const struct attach_request *request, struct attachment *attachment,
		   struct datapath_error *ret_error)
{
	attachment->program_fd = object_program_fd(request->object, attachment->spec->name);
	if (attachment->program_fd < 0)
		return error_set(ret_error, attachment->program_fd, "program %s is not there",
				 attachment->spec->name);
	attachment->link_fd = open_usable_link(request, attachment->spec);
	if (attachment->link_fd >= 0)
		return 0;
	return make_link(request, attachment, ret_error);
}

static void undo(const struct attach_request *request, struct attachment *attachment)
{
	char path[LINK_PATH_BYTES];

	if (!attachment->is_new)
		return;
	link_path(request->links_dir, attachment->spec->name, NEW_SUFFIX, path);
	bpf_link_detach(attachment->link_fd);
	unlink(path);
}

static int finish(const struct attach_request *request, struct attachment *attachment,
		  struct datapath_error *ret_error)
{
	char old_path[LINK_PATH_BYTES], new_path[LINK_PATH_BYTES];
	const char *name = attachment->spec->name;
	_close_ int old_fd = -1;
	int r;

	if (!attachment->is_new) {
		r = bpf_link_update(attachment->link_fd, attachment->program_fd, NULL);
		if (r < 0)
			return error_set(ret_error, r, "cannot update the link of %s: %s", name,
					 strerror(-r));
		return 0;
	}
	link_path(request->links_dir, name, "", old_path);
	link_path(request->links_dir, name, NEW_SUFFIX, new_path);
	old_fd = bpf_obj_get(old_path);
	if (old_fd >= 0)
		bpf_link_detach(old_fd); /* at once, not when the kernel comes to it */
	if (rename(new_path, old_path)) {
		r = -errno;
		return error_set(ret_error, r, "cannot rename %s: %s", new_path, strerror(-r));
	}
	return 0;
}

int attach_all(const struct attach_request *request, struct datapath_error *ret_error)
{
	struct attachment attachments[MAX_PROGRAMS];
	const struct program_spec *specs;
	size_t n, n_ready, i;
	int r = 0;

	specs = object_programs(&n);
	for (n_ready = 0; !r && n_ready < n; n_ready++) {
		attachments[n_ready] = (struct attachment){.spec = &specs[n_ready], .link_fd = -1};
		r = prepare(request, &attachments[n_ready], ret_error);
	}
	for (i = 0; r < 0 && i < n_ready; i++)
		undo(request, &attachments[i]);
	for (i = 0; !r && i < n; i++)
		r = finish(request, &attachments[i], ret_error);
	for (i = 0; i < n_ready; i++)
		cleanup_close(&attachments[i].link_fd);
	return r;
}

static int remove_link(const char *path)
{
	_close_ int fd = bpf_obj_get(path);

	if (fd == -ENOENT)
		return 0;
	if (fd >= 0)
		bpf_link_detach(fd); /* at once; -ENOLINK when its cgroup is gone */
	return unlink(path) ? -errno : 0;
}

static int remove_any(void *arg, const char *path, const char *name)
{
	(void)arg;
	(void)name;
	return remove_link(path);
}

int attach_remove(const char *links_dir, struct datapath_error *ret_error)
{
	const struct program_spec *specs;
	char path[LINK_PATH_BYTES];
	size_t i;
	int r = 0;

	specs = object_programs(&i);
	while (!r && i-- > 0) {
		link_path(links_dir, specs[i].name, "", path);
		r = remove_link(path);
	}
	if (!r)
		r = pin_for_each(links_dir, remove_any, NULL);
	if (r < 0)
		return error_set(ret_error, r, "cannot unpin %s: %s", links_dir, strerror(-r));
	return 0;
}
