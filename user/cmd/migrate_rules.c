/* SPDX-License-Identifier: Apache-2.0 */
/* What kube-proxy has written into the kernel, and what it answers itself. */
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "cmd/migrate.h"
#include "http/http_client.h"
#include "svcbpf/abi.h"
#include "util/cleanup.h"

#define ASK_TIMEOUT_S 3

static const char *const family_names[] = {"IPv4", "IPv6"};

/* "IPv4, IPv6" of those that are set. */
static const char *families(const bool has[2], char buf[16])
{
	snprintf(buf, 16, "%s%s%s", has[0] ? family_names[0] : "", has[0] && has[1] ? ", " : "",
		 has[1] ? family_names[1] : "");
	return buf;
}

static void tell_unseen(struct migrate_report *report, const char *what, int result)
{
	if (result == -EPERM || result == -EACCES)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_UNSEEN, what,
			    "needs root, or CAP_NET_ADMIN");
	else if (result < 0)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_UNSEEN, what, "%s",
			    strerror(-result));
}

static void tell_tables(struct migrate_report *report)
{
	const struct foreign_rules *rules = &report->rules;
	char names[16];

	for (int i = FOREIGN_IPV4; i <= FOREIGN_IPV6; i++)
		if (rules->n_nft_chains[i])
			migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, "rules",
				    "nftables: table %s kube-proxy, %u chains",
				    i == FOREIGN_IPV4 ? "ip" : "ip6", rules->n_nft_chains[i]);
	if (rules->has_iptables[0] || rules->has_iptables[1])
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, "rules",
			    "iptables (nf_tables): chain KUBE-SERVICES, %s",
			    families(rules->has_iptables, names));
	if (rules->has_legacy[0] || rules->has_legacy[1])
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, "rules",
			    "iptables-legacy: chain KUBE-SERVICES, %s",
			    families(rules->has_legacy, names));
	if (rules->n_ipvs || rules->has_ipvs_device)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, "rules",
			    "ipvs: %u virtual servers%s", rules->n_ipvs,
			    rules->has_ipvs_device ? ", device kube-ipvs0" : "");
}

/* What removing them would do besides. */
static void tell_dangers(struct migrate_report *report)
{
	const struct foreign_rules *rules = &report->rules;

	for (int i = FOREIGN_IPV4; i <= FOREIGN_IPV6; i++) {
		const bool has_iptables = rules->has_iptables[i] || rules->has_legacy[i];

		if (has_iptables && rules->drops_forwarded[i])
			migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_CHANGE, "forward policy",
				    "%s: the forward chain drops by default, and kube-proxy's "
				    "chain KUBE-FORWARD lets packets of Services through: see that "
				    "other rules accept the pods' before it is removed",
				    family_names[i]);
	}
	if (rules->has_ipvs_device)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_CHANGE, "open connections",
			    "through ipvs they end with its virtual servers and kube-ipvs0: wait "
			    "for them before those are removed");
}

void migrate_tell_rules(struct migrate_report *report)
{
	const struct foreign_rules *rules = &report->rules;
	const bool is_seen = !rules->nft_result && !rules->legacy_result && !rules->ipvs_result;

	tell_tables(report);
	tell_dangers(report);
	tell_unseen(report, "nftables", rules->nft_result);
	tell_unseen(report, "iptables-legacy", rules->legacy_result);
	tell_unseen(report, "ipvs", rules->ipvs_result);
	if (foreign_rules_has_any(rules)) {
		if (!report->n_processes)
			migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, "kube-proxy",
				    "no process of it is seen: it has gone and left its rules, or "
				    "it runs within another (k3s), or this is a container without "
				    "the host's process namespace");
		return;
	}
	if (is_seen)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, "rules",
			    "nothing of kube-proxy is in the kernel");
}

void migrate_look_at_rules(struct migrate_report *report)
{
	foreign_rules_read(&report->rules);
	migrate_tell_rules(report);
}

/* ------------------------------------------------------------------ /proxyMode */

static void base_freep(struct event_base **base)
{
	if (*base)
		event_base_free(*base);
}

static void client_freep(struct http_client **client)
{
	http_client_free(*client);
}

/** struct question - a request under way. @answer: MIGRATE_MODE_MAX bytes. */
struct question {
	struct event_base *base;
	char *answer;
};

static int on_body(void *arg, const char *data, size_t len)
{
	const struct question *question = arg;
	const size_t have = strlen(question->answer);

	if (have + len >= MIGRATE_MODE_MAX)
		return -EPROTO; /* something else listens there */
	memcpy(question->answer + have, data, len);
	question->answer[have + len] = '\0';
	return 0;
}

static void on_done(void *arg, const struct http_result *result)
{
	const struct question *question = arg;
	const size_t n_good = strspn(question->answer, "abcdefghijklmnopqrstuvwxyz");

	if (result->error || result->status != 200 || question->answer[n_good])
		question->answer[0] = '\0';
	event_base_loopbreak(question->base);
}

static void ask(struct migrate_report *report, const char *address)
{
	_cleanup_(base_freep) struct event_base *base = event_base_new();
	struct question question = {base, report->proxy_mode};
	const struct http_events events = {on_body, on_done, &question};
	struct http_params params = {.proxy_url = "", .timeout_s = ASK_TIMEOUT_S};
	_cleanup_(client_freep) struct http_client *client = NULL;
	struct http_request *request = NULL;
	char url[128];

	snprintf(url, sizeof(url), "http://%s/proxyMode", address);
	params.url = url;
	if (!base || http_client_new(base, "svcbpf/" SVCBPF_VERSION, &client) < 0)
		return;
	http_client_set_mark(client, SVC_BYPASS_MARK);
	if (http_request_start(client, &params, &events, &request) == 0)
		event_base_dispatch(base);
}

void migrate_ask_mode(struct migrate_report *report, const char *address)
{
	ask(report, address);
	/* our own agent answers there as well */
	if (strcmp(report->proxy_mode, "svcbpf") == 0)
		report->proxy_mode[0] = '\0';
	else if (*report->proxy_mode)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_NOTE, "mode",
			    "%s, as http://%s/proxyMode says", report->proxy_mode, address);
	else if (report->n_processes)
		migrate_add(report, MIGRATE_KUBE_PROXY, MIGRATE_UNSEEN, "mode",
			    "http://%s/proxyMode does not answer", address);
}
