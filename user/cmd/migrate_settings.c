/* SPDX-License-Identifier: Apache-2.0 */
/* The settings kube-proxy runs with: what they become, and what means nothing here. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/config_file.h"
#include "cmd/migrate.h"
#include "util/cleanup.h"

/**
 * struct meaning - what becomes of a setting that svcbpf does not read.
 * @part: of its name in lower case without punctuation; "iptables.masqueradeAll" and
 *	"--masquerade-all" both have "masqueradeall". The first that fits counts.
 * @value: only with this value, as JSON; NULL: with any.
 */
struct meaning {
	const char *part;
	const char *value;
	enum migrate_level level;
	const char *text;
};

static const struct meaning meanings[] = {
	{"masqueradeall", "true", MIGRATE_CHANGE,
	 "backends on this node see each client's own address; kube-proxy replaces all of them"},
	{"localhostnodeports", "false", MIGRATE_CHANGE,
	 "NodePorts answer on loopback too, within this node: --nodeport-addresses primary keeps "
	 "them off"},
	{"ipvsscheduler", NULL, MIGRATE_CHANGE,
	 "backends are chosen at random, or for clients outside by --algorithm maglev"},
	{"ipvs", NULL, MIGRATE_NOTE, "there are no virtual servers and no device with VIPs here"},
	{"detectlocal", NULL, MIGRATE_NOTE,
	 "pods are told from clients outside by their devices, see --uplinks"},
	{"clustercidr", NULL, MIGRATE_NOTE,
	 "pods are told from clients outside by their devices, see --uplinks"},
	{"conntrack", NULL, MIGRATE_NOTE,
	 "svcbpf does not size the kernel's conntrack table; its own is --max-flows"},
	{"proxymode", NULL, MIGRATE_NOTE, "svcbpf is a mode of its own"},
	{"mode", NULL, MIGRATE_NOTE, "svcbpf is a mode of its own"},
	{"syncperiod", NULL, MIGRATE_NOTE, "changes are programmed as they come"},
	{"masquerade", NULL, MIGRATE_NOTE, "no packet is marked"},
	{"featuregates", NULL, MIGRATE_NOTE, "they are kube-proxy's"},
	{"oomscoreadj", NULL, MIGRATE_NOTE, "set it in the unit or the pod that runs svcbpf"},
	{"profiling", NULL, MIGRATE_NOTE, "there is none"},
	{"bindaddress", NULL, MIGRATE_NOTE,
	 "the node's addresses come from its Node object; see --nodeport-addresses"},
	{"contenttype", NULL, MIGRATE_NOTE, "svcbpf reads JSON"},
	{"clientconnection", NULL, MIGRATE_NOTE, "svcbpf needs three watches and no more"},
	{"kubeapi", NULL, MIGRATE_NOTE, "svcbpf needs three watches and no more"},
	{"logging", NULL, MIGRATE_NOTE, "see --verbose and --log-format"},
	{"", NULL, MIGRATE_NOTE, "svcbpf has no use for it"},
};

/** struct flag - a flag of kube-proxy that svcbpf understands. @option: what to give instead. */
struct flag {
	const char *name;
	const char *option;
};

static const struct flag flags[] = {
	{"bind-address-hard-fail", "--bind-address-hard-fail"},
	{"conntrack-tcp-timeout-close-wait", "--flow-timeout tcp-close-wait="},
	{"conntrack-tcp-timeout-established", "--flow-timeout tcp-established="},
	{"conntrack-udp-timeout", "--flow-timeout udp="},
	{"conntrack-udp-timeout-stream", "--flow-timeout udp-stream="},
	{"healthz-bind-address", "--healthz-bind-address "},
	{"hostname-override", "--node-name "},
	{"kubeconfig", "--kubeconfig "},
	{"master", "--server "},
	{"metrics-bind-address", "--metrics-bind-address "},
	{"nodeport-addresses", "--nodeport-addresses "},
};

/* Of no interest to anybody who migrates. */
static bool is_trifle(const char *name)
{
	static const char *const names[] = {
		"config", "v", "vmodule", "logtostderr", "alsologtostderr", "log-flush-frequency"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const struct meaning *find_meaning(const char *name, const char *value)
{
	char plain[128];
	size_t n = 0;

	for (; *name && n < sizeof(plain) - 1; name++)
		if (isalnum((unsigned char)*name))
			plain[n++] = (char)tolower((unsigned char)*name);
	plain[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (strstr(plain, meanings[i].part) &&
		    (!meanings[i].value || strcmp(meanings[i].value, value) == 0))
			return &meanings[i];
	return &meanings[ARRAY_SIZE(meanings) - 1];
}

static void tell_meaningless(struct migrate_report *report, const char *name, const char *value)
{
	const struct meaning *meaning = find_meaning(name, value);

	migrate_add(report, MIGRATE_SETTINGS, meaning->level, name, "%s: %s", value, meaning->text);
}

/* ------------------------------------------------------------------ its file */

static const struct config_ignored *find_ignored(const struct config_file *file, const char *name)
{
	size_t n;
	const struct config_ignored *ignored = config_file_ignored(file, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(ignored[i].name, name) == 0)
			return &ignored[i];
	return NULL;
}

static void tell_file(struct migrate_report *report, const struct config_file *file,
		      const char *path)
{
	size_t n;
	const struct config_ignored *ignored = config_file_ignored(file, &n);

	migrate_add(report, MIGRATE_SETTINGS, MIGRATE_FINE, path,
		    "svcbpf run --config takes it as it is");
	for (size_t i = 0; i < n; i++)
		tell_meaningless(report, ignored[i].name, ignored[i].value);
}

/* The mode is a string: without its quotes. */
static void keep_mode(struct migrate_process *process, const struct config_file *file)
{
	const struct config_ignored *mode = find_ignored(file, "mode");

	if (mode)
		snprintf(process->mode, sizeof(process->mode), "%.*s",
			 (int)strcspn(mode->value + 1, "\""), mode->value + 1);
}

static void look_at_file(struct migrate_report *report, struct migrate_process *process)
{
	char error[CONFIG_ERROR_MAX] = "";
	struct config_file *file = NULL;
	int r;

	if (access(process->config_here, R_OK) < 0) {
		migrate_add(report, MIGRATE_SETTINGS, MIGRATE_UNSEEN, process->config,
			    "of process %d: %s; give a copy of it as --config", process->pid,
			    strerror(errno));
		return;
	}
	r = config_file_read(command_find("run"), process->config_here, &file, error);
	if (r < 0) {
		migrate_add(report, MIGRATE_SETTINGS, MIGRATE_CHANGE, process->config,
			    "svcbpf would refuse it: %s", *error ? error : strerror(-r));
		return;
	}
	keep_mode(process, file);
	tell_file(report, file, process->config);
	config_file_free(file);
}

/* ------------------------------------------------------------------ its flags */

static const char *option_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (strcmp(flags[i].name, name) == 0)
			return flags[i].option;
	return NULL;
}

static void tell_flag(struct migrate_report *report, const char *name, const char *value)
{
	const char *option = option_of(name);
	char subject[80];

	snprintf(subject, sizeof(subject), "--%s", name);
	if (is_trifle(name))
		return;
	if (!option)
		tell_meaningless(report, subject, value);
	else if (strchr("= ", option[strlen(option) - 1]))
		migrate_add(report, MIGRATE_SETTINGS, MIGRATE_FINE, subject, "svcbpf run %s%s",
			    option, value);
	else
		migrate_add(report, MIGRATE_SETTINGS, MIGRATE_FINE, subject, "svcbpf run %s",
			    option);
}

/* With a file kube-proxy itself looks at these flags only. */
static bool is_flag_used(const struct migrate_process *process, const char *name)
{
	return !process->config || strcmp(name, "hostname-override") == 0 ||
	       strcmp(name, "master") == 0;
}

static void look_at_flags(struct migrate_report *report, const struct migrate_process *process)
{
	const char *end = process->args + process->args_bytes;

	for (const char *arg = process->args; arg < end; arg += strlen(arg) + 1) {
		const char *rest = arg + strspn(arg, "-");
		const char *next = arg + strlen(arg) + 1;
		const size_t len = strcspn(rest, "=");
		char name[64];

		if (rest == arg || len >= sizeof(name))
			continue;
		memcpy(name, rest, len);
		name[len] = '\0';
		if (!is_flag_used(process, name))
			continue;
		if (rest[len])
			tell_flag(report, name, rest + len + 1);
		else
			tell_flag(report, name, next < end && *next != '-' ? next : "true");
	}
}

/* ------------------------------------------------------------------ what a mode does by itself */

static void look_at_mode(struct migrate_report *report)
{
	const char *mode = migrate_mode(report);
	const char *addresses = report->options->nodeport_addresses;

	if (strcmp(mode, "nftables") == 0 && report->has_node_ports && !addresses)
		migrate_add(report, MIGRATE_SETTINGS, MIGRATE_CHANGE, "nodePortAddresses",
			    "without it mode nftables answers on the node's primary addresses, "
			    "svcbpf on all local ones: --nodeport-addresses primary for the same");
	if (strcmp(mode, "nftables") == 0)
		migrate_add(report, MIGRATE_SETTINGS, MIGRATE_CHANGE, "mode",
			    "nftables: ports of a ClusterIP that no Service has, and Service "
			    "addresses nobody has, are refused there and routed like any other "
			    "address here");
	if (strcmp(mode, "ipvs") == 0)
		migrate_add(report, MIGRATE_SETTINGS, MIGRATE_CHANGE, "mode",
			    "ipvs: ClusterIPs answer ping there, as this node has them all; not "
			    "here");
}

void migrate_look_at_settings(struct migrate_report *report)
{
	const struct options *options = report->options;

	if (options->file)
		tell_file(report, options->file, options->config);
	for (size_t i = 0; i < report->n_processes; i++) {
		struct migrate_process *process = &report->processes[i];

		if (process->config_here && !options->file)
			look_at_file(report, process);
		look_at_flags(report, process);
	}
	look_at_mode(report);
}
