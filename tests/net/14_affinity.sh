#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sessionAffinity ClientIP: sticks, is shared by all VIPs of a port, expires, is per client.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

backends=() listen=()
for i in $(seq 20); do
	t_addresses "10.244.0.$i"
	backends+=("10.244.0.$i")
	listen+=("10.244.0.$i:8080")
done
all=$(IFS=, && echo "${backends[*]}")
for i in $(seq 6); do t_pod "pod$i" "10.244.1.$i" "fd00:244:1::$i"; done
t_answer "${listen[@]}"
timeout_s=4
t_service sticky ip=10.96.0.10 backends="$all" affinity=$timeout_s nodeport=30080 external=198.51.100.7
t_service free ip=10.96.0.11 backends="$all"
t_start_agent
t_sync

# n_backends CONNLOOP-ARGUMENTS - how many backends answered; each failed connect counts as one too
n_backends() { t_in "$T_TOOLS/connloop" "$@" | t_json 'len(d["backends"]) + d["failed"]'; }

t_ok "without affinity 100 connects reach many backends" [ "$(n_backends -n 100 10.96.0.11:80)" -gt 5 ]
t_is "with affinity 100 connects reach one" "$(n_backends -n 100 10.96.0.10:80)" 1
t_is "the same one by ClusterIP, NodePort and externalIP" \
	"$(n_backends -n 60 10.96.0.10:80 10.244.0.1:30080 198.51.100.7:80)" 1
t_is "each connect renews it: one backend for $((timeout_s + 3)) s" \
	"$(n_backends -n $(((timeout_s + 3) * 2)) -r 2 10.96.0.10:80)" 1

expires() { # 20 backends: a new choice is the old one in 1 of 20; three tries fail once in 8,000
	local before after
	for _ in 1 2 3; do
		before=$(t_name 10.96.0.10:80)
		t_pause $((timeout_s + 1))
		after=$(t_name 10.96.0.10:80)
		[ "$before" = "$after" ] || return 0
	done
	return 1
}
t_ok "it expires after $timeout_s s without a connect" expires

names=() keeps=yes
for i in $(seq 6); do
	names+=("$(t_name_in_pod "pod$i" 10.96.0.10:80)")
	[ "$(t_name_in_pod "pod$i" 10.96.0.10:80)" = "${names[-1]}" ] || keeps=no
done
t_is "each pod keeps its own" $keeps yes
t_ok "pods do not share one (6 pods: $(printf '%s\n' "${names[@]}" | sort -u | wc -l) backends)" \
	[ "$(printf '%s\n' "${names[@]}" | sort -u | wc -l)" -gt 1 ]

used=$(t_name 10.96.0.10:80)
t_like "dump shows the entry" "$(t_dump affinity)" "${used%:*}"
t_service sticky ip=10.96.0.10 affinity=$timeout_s nodeport=30080 external=198.51.100.7 \
	backends="$(printf '%s\n' "${backends[@]}" | grep -vx "${used%:*}" | paste -sd,)"
t_sync
moved=$(t_name 10.96.0.10:80)
t_ok "a backend that has left is not used ($used, then $moved)" [ "$moved" != "$used" ]
t_is "and the new one is kept" "$(t_name 10.96.0.10:80)" "$moved"
t_done
