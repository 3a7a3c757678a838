/* SPDX-License-Identifier: Apache-2.0 */
/* Whether svcbpf can run on this node, beside what else is there. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "cmd/cgroup.h"
#include "cmd/migrate.h"
#include "datapath/datapath.h"
#include "datapath/foreign_programs.h"
#include "datapath/ip_forwarding.h"
#include "datapath/require.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

/* ------------------------------------------------------------------ the kernel and its mounts */

static void look_at_kernel(struct migrate_report *report)
{
	struct datapath_error error = {};
	struct utsname name = {};

	uname(&name);
	if (require_kernel(NULL, &error) < 0)
		migrate_add(report, MIGRATE_NODE, MIGRATE_BLOCKS, "kernel", "%s", error.text);
	else
		migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, "kernel", "%s", name.release);
	if (require_has_btf())
		migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, "BTF", "/sys/kernel/btf/vmlinux");
	else
		migrate_add(report, MIGRATE_NODE, MIGRATE_BLOCKS, "BTF",
			    "no /sys/kernel/btf/vmlinux: the kernel must be built with "
			    "CONFIG_DEBUG_INFO_BTF");
}

static void look_at_capabilities(struct migrate_report *report)
{
	struct datapath_error error = {};

	if (require_capabilities(true, &error) == 0)
		migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, "capabilities",
			    "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
	else
		migrate_add(report, MIGRATE_NODE, geteuid() ? MIGRATE_UNSEEN : MIGRATE_BLOCKS,
			    "capabilities", "%s", error.text);
}

static void look_at_cgroup(struct migrate_report *report, char **ret_path)
{
	_fclose_ FILE *mountinfo = fopen(CGROUP_MOUNTINFO, "re");
	int r = mountinfo ? cgroup_find(mountinfo, ret_path) : -errno;

	if (r == 0)
		migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, "cgroup v2", "%s", *ret_path);
	else if (r == -ENOENT)
		migrate_add(report, MIGRATE_NODE, MIGRATE_BLOCKS, "cgroup v2",
			    "not mounted; beside cgroup v1: mkdir -p /sys/fs/cgroup/unified; mount "
			    "-t cgroup2 none /sys/fs/cgroup/unified");
	else
		migrate_add(report, MIGRATE_NODE, MIGRATE_UNSEEN, "cgroup v2", "%s", strerror(-r));
}

/* Of the nearest folder above the pins that is there. */
static void look_at_bpffs(struct migrate_report *report)
{
	char path[PATH_MAX];
	char *folder = path;
	struct statfs fs;
	int r;

	snprintf(path, sizeof(path), "%s", report->options->pin_dir);
	do {
		folder = dirname(folder);
		r = statfs(folder, &fs) < 0 ? -errno : 0;
	} while (r < 0 && folder[1]);
	if (r == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC)
		migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, "bpffs", "%s", folder);
	else if (r < 0)
		migrate_add(report, MIGRATE_NODE, MIGRATE_UNSEEN, "bpffs", "%s", strerror(-r));
	else
		migrate_add(report, MIGRATE_NODE, MIGRATE_BLOCKS, "bpffs",
			    "%s is not on one; run: mount -t bpf bpf /sys/fs/bpf", folder);
}

static void look_at_forwarding(struct migrate_report *report)
{
	static const char *const names[] = {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"};
	static const uint32_t bits[] = {SVC_FORWARDING_OFF4, SVC_FORWARDING_OFF6};
	const uint32_t off = ip_forwarding_off();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(off & bits[i]))
			migrate_add(report, MIGRATE_NODE, MIGRATE_FINE, names[i], "on");
		else if (report->has_family[i])
			migrate_add(report, MIGRATE_NODE, MIGRATE_BLOCKS, names[i],
				    "off: clients outside reach no backend on another node; run: "
				    "sysctl -w %s=1",
				    names[i]);
		else if (!report->has_services)
			migrate_add(report, MIGRATE_NODE, MIGRATE_CHANGE, names[i],
				    "off: Services of this family need it for clients outside");
	}
}

/* ------------------------------------------------------------------ other programs */

/** struct others - programs at the cgroup. @own: of our links. */
struct others {
	struct migrate_report *report;
	uint32_t own[32];
	size_t n_own;
	bool has_any;
};

static void remember_own(void *arg, const struct datapath_link *link)
{
	struct others *others = arg;

	if (others->n_own < ARRAY_SIZE(others->own))
		others->own[others->n_own++] = link->program_id;
}

/* Who it is that translates Services too, by how they name their programs; NULL: nobody known. */
static const char *known_owner(const char *name)
{
	static const struct {
		const char *prefix;
		const char *owner;
	} known[] = {
		{"cil_sock", "Cilium's kube-proxy replacement"},
		{"sock4_", "Cilium's kube-proxy replacement"},
		{"sock6_", "Cilium's kube-proxy replacement"},
		{"cali_ctlb", "Calico's eBPF dataplane"},
		{"calico_connect", "Calico's eBPF dataplane"},
		{"calico_sendmsg", "Calico's eBPF dataplane"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strncmp(name, known[i].prefix, strlen(known[i].prefix)) == 0)
			return known[i].owner;
	return NULL;
}

static void tell_program(void *arg, const struct foreign_program *program)
{
	struct others *others = arg;
	const char *owner = known_owner(program->name);
	char subject[64];

	for (size_t i = 0; i < others->n_own; i++)
		if (others->own[i] == program->id)
			return;
	others->has_any = true;
	snprintf(subject, sizeof(subject), "program %u %s at %s", program->id, program->name,
		 program->hook);
	if (owner)
		migrate_add(others->report, MIGRATE_OTHERS, MIGRATE_BLOCKS, subject,
			    "%s translates Services too: of two the first wins; turn it off",
			    owner);
	else if (program->is_exclusive)
		migrate_add(others->report, MIGRATE_OTHERS, MIGRATE_BLOCKS, subject,
			    "attached so that no other program can be (without "
			    "BPF_F_ALLOW_MULTI)");
	else
		migrate_add(others->report, MIGRATE_OTHERS, MIGRATE_NOTE, subject,
			    "of somebody else; both run, and each sees what the one before has "
			    "made of the address");
}

static void look_at_programs(struct migrate_report *report, const char *cgroup)
{
	struct others others = {.report = report};
	int r;

	datapath_read_links(report->options->pin_dir, remember_own, &others);
	r = foreign_programs_read(cgroup, tell_program, &others);
	if (r == -EPERM || r == -EACCES)
		migrate_add(report, MIGRATE_OTHERS, MIGRATE_UNSEEN, "programs at sockets",
			    "needs root, or CAP_BPF and CAP_NET_ADMIN");
	else if (r < 0)
		migrate_add(report, MIGRATE_OTHERS, MIGRATE_UNSEEN, "programs at sockets", "%s: %s",
			    cgroup, strerror(-r));
	else if (!others.has_any)
		migrate_add(report, MIGRATE_OTHERS, MIGRATE_FINE, "programs at sockets",
			    "none of others at %s", cgroup);
}

/* ------------------------------------------------------------------ all of it */

void migrate_look_at_others(struct migrate_report *report)
{
	_free_ char *cgroup = NULL;

	look_at_cgroup(report, &cgroup);
	if (cgroup)
		look_at_programs(report, cgroup);
}

void migrate_look_at_node(struct migrate_report *report)
{
	look_at_kernel(report);
	look_at_capabilities(report);
	look_at_bpffs(report);
	look_at_forwarding(report);
}
