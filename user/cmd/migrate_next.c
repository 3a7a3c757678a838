/* SPDX-License-Identifier: Apache-2.0 */
/* What to do now: the order of svcbpf(8), MIGRATION, from where this node stands. */
#include <string.h>

#include "cmd/migrate.h"

typedef void step_fn(void *arg, const char *text);

/* As svcbpf(8) has it; tests/net/61_migrate.sh runs it. */
#define KEEP                                                                                       \
	"nft 'table inet " FOREIGN_KEEPER                                                          \
	" { chain nat { type nat hook postrouting priority 300; ct state new; }; }'"

static void remove_rules(const struct foreign_rules *rules, step_fn *fn, void *arg)
{
	if (!rules->has_keeper)
		fn(arg, "keep what is open through its rules: " KEEP);
	if (rules->n_nft_chains[FOREIGN_IPV4])
		fn(arg, "nft delete table ip kube-proxy");
	if (rules->n_nft_chains[FOREIGN_IPV6])
		fn(arg, "nft delete table ip6 kube-proxy");
	if (rules->has_ipvs_device || rules->n_ipvs)
		fn(arg, "when connections through ipvs have ended: kube-proxy --cleanup");
	else if (rules->has_iptables[0] || rules->has_iptables[1] || rules->has_legacy[0] ||
		 rules->has_legacy[1])
		fn(arg, "kube-proxy --cleanup");
}

static bool has_rules_unseen(const struct migrate_report *report)
{
	return report->rules.nft_result < 0 || report->rules.legacy_result < 0;
}

void migrate_next_steps(const struct migrate_report *report, step_fn *fn, void *arg)
{
	const bool is_proxy_there = report->n_processes || *report->proxy_mode;
	const bool has_rules = foreign_rules_has_any(&report->rules);

	if (migrate_count(report, MIGRATE_BLOCKS)) {
		fn(arg, "do away with what stands in the way, then svcbpf migrate check again");
		return;
	}
	if (!report->is_svcbpf_running)
		fn(arg, "start svcbpf run beside kube-proxy; new connections are its own at once");
	if (is_proxy_there || has_rules || !report->is_svcbpf_running)
		fn(arg, "svcbpf verify until it ends with status 0, svcbpf status until it names "
			"nothing "
			"but ports that kube-proxy has");
	if (is_proxy_there)
		fn(arg, "stop kube-proxy on this node, and see that nothing starts it again");
	if (has_rules)
		remove_rules(&report->rules, fn, arg);
	else if (has_rules_unseen(report))
		fn(arg, "as root: svcbpf migrate check, to see what it leaves in the kernel");
	if (has_rules || report->rules.has_keeper)
		fn(arg,
		   "when what was open before has ended: nft delete table inet " FOREIGN_KEEPER);
	else if (!is_proxy_there && !has_rules_unseen(report) && report->is_svcbpf_running)
		fn(arg, "nothing: svcbpf runs, and nothing is left of kube-proxy");
}
