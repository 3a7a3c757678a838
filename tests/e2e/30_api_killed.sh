#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The API server and etcd die and come back: no connect fails, and the agent is soon in step.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e_up
e_stable
k_service gone ip=10.96.0.20 backends=10.244.0.1
e_start_agent
t_sync
e_start_stable_loops
e_in_step "at first" "$(t_now_ms)"

e_signal api KILL
e_spawn_api
e_wait_api
e_in_step "killed, and started at once" "$(t_now_ms)"

e_mark
e_signal api KILL
before=$(t_dump -o json)
t_pause "$(t_scaled 20)"
t_is "away for long: the kernel holds what it held" "$(t_dump -o json)" "$before"
t_like "... the log says that watches are lost" "$(e_since)" '(refused|[Cc]onnect)'
t_ok "... once for each resource, not with every try" [ "$(e_since | grep -c -v -i debug)" -le 10 ]
e_spawn_api
e_wait_api
e_in_step "away for long, and started" "$(t_now_ms)"

# What is removed while the agent cannot see it: stopped, it misses the end of its watches.
kill -STOP "$t_agent_pid"
k_remove_service gone
k_service new ip=10.96.0.21 backends=10.244.0.2
e_signal api KILL
e_spawn_api
e_wait_api
back=$(t_now_ms)
kill -CONT "$t_agent_pid"
e_in_step "objects removed and made unseen" "$back"
t_is "... the removed one is gone" "$(t_name 10.96.0.20:80)" ENETUNREACH
t_is "... the new one is there" "$(t_name 10.96.0.21:80)" 10.244.0.2:8080

e_signal etcd KILL
t_pause 2
e_start_etcd
e_wait_api
e_in_step "etcd killed and started" "$(t_now_ms)"

e_end_stable_loops
t_ok "verify agrees" "$SVCBPF" verify --kubeconfig "$E_DIR/admin.kubeconfig" --pin-dir "$T_PINS"
t_done
