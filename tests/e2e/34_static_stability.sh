#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An agent that starts while the API is away serves the last state: from its pins, and without them
# from the snapshot.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e_up
e_stable
e_start_agent
t_sync
e_start_stable_loops
e_in_step "at first" "$(t_now_ms)"
t_dump -o json >"$T_DIR/before"

ready_within() { # MS
	local start
	start=$(t_now_ms)
	e_wait_agent 60 || return 1
	took=$(($(t_now_ms) - start))
	[ "$took" -le "$1" ]
}
as_before() { t_is "$1" "$(diff <(t_dump -o json 2>&1) "$T_DIR/before" | head -n 20)" ""; } # FACT
cleanup() { "$SVCBPF" cleanup --pin-dir "$T_PINS"; }
status() { "$SVCBPF" status --pin-dir "$T_PINS" "$@" || :; }
t_ok "a snapshot is written" t_wait 20 [ -s "$T_DIR/state/snapshot" ]
t_pause 3 # so is one of the last change, a moment later

# --- pins are there
e_signal api KILL
t_stop_agent KILL
t_is "API and agent killed: the kernel goes on" "$(t_name 10.96.9.9:80)" $e_probe:8080
e_spawn_agent
t_ok "pins are there: ready within 10 s" ready_within 10000
as_before "pins are there: the state is the last one"
t_like "status says that the API is away" "$(status)" '(snapshot|API|api)'
e_spawn_api
e_wait_api
e_in_step "pins were there, the API is back" "$(t_now_ms)"
t_ok "the loops have seen no failure: they go on" kill -0 "${e_pids[loop-TCP]}" "${e_pids[loop-UDP]}"
e_end_stable_loops
t_pause 3
t_dump -o json >"$T_DIR/before"

# --- no pins: the machine was restarted
e_signal api KILL
t_stop_agent
cleanup
t_is "nothing serves" "$(t_name 10.96.0.10:80)" ENETUNREACH
start=$(t_now_ms)
e_spawn_agent
t_wait 60 e_answers 10.96.9.9:80 $e_probe:8080 || :
took=$(($(t_now_ms) - start))
t_ok "no pins: the snapshot is served after $took ms, at most 10000" [ $took -le 10000 ]
as_before "no pins: the state is the last one"
t_ok "no pins: the agent is ready" e_wait_agent 10
e_spawn_api
e_wait_api
e_in_step "no pins, the API is back" "$(t_now_ms)"
t_pause 3
t_dump -o json >"$T_DIR/before"

# --- no pins, and a server that accepts and says nothing
e_signal api STOP
t_stop_agent
cleanup
start=$(t_now_ms)
e_spawn_agent
t_wait 60 e_answers 10.96.9.9:80 $e_probe:8080 || :
took=$(($(t_now_ms) - start))
t_ok "a frozen API: the snapshot is served after $took ms, at most 10000" [ $took -le 10000 ]
as_before "a frozen API: the state is the last one"
e_signal api CONT
e_wait_api
e_in_step "the API was frozen" "$(t_now_ms)"
t_pause 3

# --- no pins, and a server that refuses one of the lists while what it tells of another goes on
tell_of_slices() {
	while :; do
		k_merge endpointslices/probe-ipv4 '{"metadata": {"annotations": {"test/n": "'"$RANDOM"'"}}}' || :
		t_pause 1
	done
}
t_stop_agent
cleanup
sed 's/\[services, nodes\]/[nodes]/' "$T_ROOT/scripts/deploy/rbac.yaml" | k_apply
t_pause 1
tell_of_slices &
e_pids[slices]=$!
start=$(t_now_ms)
e_spawn_agent
t_wait 20 e_answers 10.96.9.9:80 $e_probe:8080 || :
took=$(($(t_now_ms) - start))
kill "${e_pids[slices]}"
t_ok "Services are refused: the snapshot is served after $took ms, at most 10000" [ $took -le 10000 ]
k_apply <"$T_ROOT/scripts/deploy/rbac.yaml"
e_in_step "Services may be read again" "$(t_now_ms)"
t_pause 3

# --- a snapshot that a bad disk has changed
e_signal api KILL
t_stop_agent
t_dump -o json >"$T_DIR/before"
for snapshot in "$T_DIR"/state/*; do
	[ -f "$snapshot" ] || continue
	python3 -IS -c 'import sys
file = open(sys.argv[1], "r+b")
data = bytearray(file.read())
data[len(data) // 2] ^= 1
file.seek(0)
file.write(data)' "$snapshot"
done
e_mark
e_spawn_agent
says_damaged() { e_since | grep -qE '[Ss]napshot|checksum'; }
t_ok "a damaged snapshot: the log says so" t_wait 30 says_damaged
t_ok "a damaged snapshot: the agent runs" kill -0 "$t_agent_pid"
t_is "a damaged snapshot: the pins serve" "$(t_name 10.96.9.9:80)" $e_probe:8080
as_before "a damaged snapshot: nothing is withdrawn"
e_spawn_api
e_wait_api
e_in_step "a damaged snapshot, the API is back" "$(t_now_ms)"
t_ok "... and the agent is ready" e_wait_agent 5
t_done
