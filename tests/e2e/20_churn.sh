#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A thousand Services come, change and go, and connects to one that does not change never fail.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2
t_answer 10.244.0.1:8080 10.244.0.2:8080
e_up
e_start_agent
k_service stable ip=10.96.0.10 proto=TCP,UDP backends=10.244.0.1,10.244.0.2
t_sync
e_start_loop TCP -r "$(t_scaled 1000)" 10.96.0.10:80=10.244.0.
e_start_loop UDP -u -r "$(t_scaled 300)" 10.96.0.10:80=10.244.0.

left=$("$E_HERE/churn.py" 1000 "$(t_scaled 1000)" 2>"$T_DIR/churn.err") || t_bail "the churn goes on" "$(<"$T_DIR/churn.err")"
t_wait 10 t_is_synced || :
t_is "$left Services are left: the kernel holds the plan" \
	"$(diff <(t_plan -o json 2>&1) <(t_dump -o json 2>&1) | head -n 20)" ""
t_ok "verify agrees" "$SVCBPF" verify --kubeconfig "$E_DIR/admin.kubeconfig" --pin-dir "$T_PINS"
t_is "the agent has been the same all the time" "$(kill -0 "$t_agent_pid" && echo yes)" yes
e_end_loop TCP 1000
e_end_loop UDP 500

before=$(t_dump -o json)
t_stop_agent KILL
e_start_agent
t_sync
t_is "a new agent comes to the same" "$(t_dump -o json)" "$before"
t_done
