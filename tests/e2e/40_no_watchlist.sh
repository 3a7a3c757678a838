#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An API server that has no WatchList: the agent lists, in pages where they are many, and watches.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e_load 1200 3
e_up --feature-gates WatchList=false
status=$(k_curl -o /dev/null -w '%{http_code}' \
	"$(k_url services)?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1")
t_is "the server refuses WatchList" "$status" 422
e_stable
k_service gone ip=10.96.0.20 backends=10.244.0.1
e_start_agent
t_sync
t_is "all of 1,200 Services are there" \
	"$(t_dump -o json | t_json 'len({f["service"] for f in d["frontends"] if f["service"].startswith("load/")})')" 1200
e_start_stable_loops
e_in_step "listed and watched" "$(t_now_ms)"

kill -STOP "$t_agent_pid"
k_remove_service gone
k_service new ip=10.96.0.21 backends=10.244.0.2
e_signal api KILL
e_spawn_api --feature-gates WatchList=false
e_wait_api
back=$(t_now_ms)
kill -CONT "$t_agent_pid"
e_in_step "killed and started" "$back"
t_is "... a removed Service is gone" "$(t_name 10.96.0.20:80)" ENETUNREACH
t_is "... a new one is there" "$(t_name 10.96.0.21:80)" 10.244.0.2:8080

# The server is upgraded, and goes back: what it can is found out again.
for gate in true false; do
	e_signal api KILL
	e_spawn_api --feature-gates WatchList=$gate
	e_wait_api
	e_in_step "WatchList=$gate" "$(t_now_ms)"
done

e_end_stable_loops
t_ok "verify agrees" "$SVCBPF" verify --kubeconfig "$E_DIR/admin.kubeconfig" --pin-dir "$T_PINS"
t_done
