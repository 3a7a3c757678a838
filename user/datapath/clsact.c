/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/clsact.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "datapath/bpf_log.h"
#include "datapath/error.h"
#include "datapath/rtnl.h"
#include "util/cleanup.h"

#define BOTH_SIDES ((enum bpf_tc_attach_point)(BPF_TC_INGRESS | BPF_TC_EGRESS))

static int fail(int r, const char *what, const struct bpf_log *log,
		struct datapath_error *ret_error)
{
	static const char prefix[] = "libbpf: Kernel error message: ";
	const char *text = log->warning;

	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	return error_set(ret_error, r, "%s: %s%s%s%s", what, strerror(-r), *text ? " (" : "", text,
			 *text ? ")" : "");
}

int clsact_make(uint32_t ifindex, struct datapath_error *ret_error)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BOTH_SIDES);
	struct bpf_log log;
	int r;

	bpf_log_begin(&log);
	r = bpf_tc_hook_create(&hook);
	bpf_log_end(&log);
	if (r == 0)
		return 1;
	return r == -EEXIST ? 0 : fail(r, "cannot make a clsact qdisc", &log, ret_error);
}

/* Calls @on_message for each filter of both sides. */
static int for_each_filter(uint32_t ifindex, mnl_cb_t on_message, void *arg)
{
	static const uint32_t parents[] = {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(parents); i++) {
		const struct tcmsg header = {
			.tcm_family = AF_UNSPEC,
			.tcm_ifindex = (int)ifindex,
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, parents[i]),
		};
		const struct rtnl_dump dump = {RTM_GETTFILTER, &header, sizeof(header), on_message,
					       arg};

		r = rtnl_dump(&dump);
	}
	return r;
}

static int count_filter(const struct nlmsghdr *message, void *arg)
{
	size_t *n = arg;

	*n += message->nlmsg_type == RTM_NEWTFILTER;
	return MNL_CB_OK;
}

bool clsact_is_unused(uint32_t ifindex)
{
	size_t n = 0;

	return for_each_filter(ifindex, count_filter, &n) == 0 && n == 0;
}

/** struct handle_search - clsact_has_filter() under way. */
struct handle_search {
	uint32_t priority;
	uint32_t bits;
	bool is_found;
};

static int match_filter(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *filter = mnl_nlmsg_get_payload(message);
	struct handle_search *search = arg;

	if (message->nlmsg_type == RTM_NEWTFILTER &&
	    TC_H_MAJ(filter->tcm_info) >> 16 == search->priority &&
	    (filter->tcm_handle & search->bits) == search->bits)
		search->is_found = true;
	return MNL_CB_OK;
}

bool clsact_has_filter(uint32_t ifindex, uint32_t priority, uint32_t bits)
{
	struct handle_search search = {.priority = priority, .bits = bits};

	return for_each_filter(ifindex, match_filter, &search) == 0 && search.is_found;
}

int clsact_destroy(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BOTH_SIDES);
	struct bpf_log log;
	int r;

	bpf_log_begin(&log);
	r = bpf_tc_hook_destroy(&hook);
	bpf_log_end(&log);
	return r;
}

static struct bpf_tc_hook hook_of(const struct clsact_filter *filter)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)filter->ifindex,
		    .attach_point = filter->is_ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);

	return hook;
}

int clsact_attach(const struct clsact_filter *filter, int program_fd,
		  struct datapath_error *ret_error)
{
	const struct bpf_tc_hook hook = hook_of(filter);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE,
		    .handle = filter->handle, .priority = filter->priority);
	struct bpf_log log;
	int r;

	bpf_log_begin(&log);
	r = bpf_tc_attach(&hook, &opts);
	bpf_log_end(&log);
	return r < 0 ? fail(r, "cannot make a tc filter", &log, ret_error) : 0;
}

uint32_t clsact_read(const struct clsact_filter *filter)
{
	const struct bpf_tc_hook hook = hook_of(filter);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = filter->handle, .priority = filter->priority);
	struct bpf_log log;
	int r;

	bpf_log_begin(&log);
	r = bpf_tc_query(&hook, &opts);
	bpf_log_end(&log);
	return r < 0 ? 0 : opts.prog_id;
}

int clsact_detach(const struct clsact_filter *filter)
{
	const struct bpf_tc_hook hook = hook_of(filter);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = filter->handle, .priority = filter->priority);
	struct bpf_log log;
	int r;

	bpf_log_begin(&log);
	r = bpf_tc_detach(&hook, &opts);
	bpf_log_end(&log);
	return r;
}
