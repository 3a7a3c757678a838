#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 10,000 Services of 25 endpoints each.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

n_services=$(t_scaled 10000)
last=$((n_services - 1))

# Of Service INDEX, as tests/e2e/kapi.py numbers them.
vip() { echo "10.97.$(($1 >> 8)).$(($1 & 255))"; }
endpoint() { # NUMBER
	echo "10.$((128 + ($1 >> 16))).$((($1 >> 8) & 255)).$(($1 & 255))"
}

e_load "$n_services" 25
e_up
e_stable
listed=$(k_get services load | t_json 'len(d["items"])')
t_is "the API server has them" "$listed" "$n_services"
start=$(t_now_ms)
e_start_agent
t_diag "ready after $(($(t_now_ms) - start)) ms;" \
	"$(grep -E '^(VmHWM|RssAnon|RssFile|RssShmem)' "/proc/$t_agent_pid/status" | tr -s '\t\n' ' ')"
t_is "the kernel holds the plan" "$(diff <(t_plan -o json 2>&1) <(t_dump -o json 2>&1) | head -n 20)" ""
t_is "all frontends are there" \
	"$(t_dump -o json | t_json 'sum(f["service"].startswith("load/") and len(f["backends"]) == 25 for f in d["frontends"])')" \
	"$n_services"
for index in 0 $((n_services / 2)) $last; do
	backends=()
	for i in {0..24}; do backends+=("$(endpoint $((index * 25 + i)))"); done
	t_addresses "${backends[@]}"
	t_answer "${backends[@]/%/:8080}"
	report=$(t_in "$T_TOOLS/connloop" -n 500 "$(vip "$index"):80=$(IFS=, && echo "${backends[*]}")" || :)
	t_is "Service $index: 500 connects, all to its endpoints" "$(t_json 'd["ok"]' <<<"$report")" 500
	t_is "Service $index: all its endpoints are met" "$(t_json 'len(d["backends"])' <<<"$report")" 25
done

e_start_stable_loops
e_in_step "one more change" "$(t_now_ms)"
before=$(t_dump -o json | sha256sum)
e_signal api KILL
e_spawn_api
e_wait_api
e_in_step "API server killed and started" "$(t_now_ms)"
k_service probe ip=10.96.9.9 backends=10.244.9.1
t_sync
t_stop_agent KILL
e_start_agent
e_end_stable_loops
t_is "a new agent comes to the same" "$(t_dump -o json | sha256sum)" "$before"
t_ok "verify agrees" "$SVCBPF" verify --kubeconfig "$E_DIR/admin.kubeconfig" --pin-dir "$T_PINS"
t_done
