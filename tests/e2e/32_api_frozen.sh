#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The API server freezes: it accepts connections and answers nothing.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e_up
e_stable
e_start_agent
t_sync
e_start_stable_loops
before=$(t_dump -o json)

e_signal api STOP
t_pause "$(t_scaled 20)"
t_is "frozen: the kernel holds what it held" "$(t_dump -o json)" "$before"
e_signal api CONT
e_wait_api
e_in_step "frozen and going on" "$(t_now_ms)"

e_signal api STOP
t_pause "$(t_scaled 10)"
e_signal api KILL
e_spawn_api
e_wait_api
e_in_step "frozen, killed and started" "$(t_now_ms)"

# An agent that connects to a frozen server.
t_stop_agent KILL
e_signal api STOP
e_spawn_agent
t_pause 2
e_signal api CONT
e_wait_api
back=$(t_now_ms)
t_ok "started while it was frozen: becomes ready" e_wait_agent
e_in_step "started while it was frozen" "$back"

e_end_stable_loops
t_done
