#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A node that is rebooted while the API server is away: the snapshot in --state-dir, good, bad, of another
# node and of another cluster.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

healthz=http://127.0.0.1:10256/healthz
code() { curl -s --max-time 10 -o /dev/null -w '%{http_code}' "$1"; }
status() { "$SVCBPF" status --pin-dir "$T_PINS" "$@" || :; }
has_logged() { grep -Eq -- "$1" <(e_since); }
answers_by() { [ "$(t_name "$1")" = "$2" ]; }
reboot() { # of the node: nothing is pinned any more, the disk is there
	umount "$T_DIR/bpf"
	mount -t bpf bpf "$T_DIR/bpf"
}

e_up
t_addresses 10.244.0.1 10.244.0.2 10.244.9.2
t_answer 10.244.0.1:8080 10.244.0.2:8080 10.244.9.2:8080
k_service stable ip=10.96.0.10 nodeport=30080 backends=10.244.0.1,10.244.0.2
e_start_agent

# --- rebooted: nothing is pinned, the API is away
# A snapshot is written 30 s after a change at the latest, and at the end.
t_wait 20 t_is_synced || t_bail "in step before the reboot"
t_dump -o json >"$T_DIR/before"
t_stop_agent
e_signal api KILL
reboot
t_is "nothing serves" "$(t_name 10.96.0.10:80)" ENETUNREACH
cp -a "$T_DIR/state" "$T_DIR/state.good"
e_mark
e_spawn_agent
t_ok "the API is away: ready from the snapshot" e_wait_agent
t_is "... all is as before" "$(diff <(t_dump -o json) "$T_DIR/before" | head -n 10)" ""
t_like "... the log says how old it is" "$(e_since)" 'does not answer: the state saved [0-9]+ s ago is served: [0-9]+ Services'
t_like "... and status" "$(status)" 'has not answered since the agent.s start: Services work as they were [0-9]+ s ago'
t_is "... /healthz is 200: the Node was saved too" "$(code $healthz)" 200
t_stop_agent KILL

# faulty FACT LOG-PATTERN COMMAND... - a start after a reboot with what the command did to the snapshot:
# one line, and it goes on without.
faulty() {
	local fact=$1 pattern=$2
	shift 2
	reboot
	rm -rf "$T_DIR/state"
	cp -a "$T_DIR/state.good" "$T_DIR/state"
	"$@"
	e_mark
	e_spawn_agent --node-name "${faulty_node:-n1}"
	t_ok "$fact: it waits for the API" t_wait 60 has_logged 'no state is saved: waiting|is not used; waiting'
	t_is "$fact: one line says why" "$(e_since | grep -c 'state/snapshot')" 1
	t_like "$fact: it says" "$(e_since | grep 'state/snapshot')" "$pattern"
	t_ok "$fact: it is not ready" [ ! -s "$e_ready" ]
	t_stop_agent
	t_is "$fact: it ends when asked to" "$t_agent_status" 0
}
spoil() { printf x | dd of="$T_DIR/state/snapshot" bs=1 seek=100 conv=notrunc status=none; }
cut_short() { truncate -s 200 "$T_DIR/state/snapshot"; }
faulty "a damaged snapshot" 'checksum is wrong; it is not used' spoil
faulty "a snapshot cut short" 'length is wrong; it is not used' cut_short
faulty "an empty snapshot" 'not a snapshot; it is not used' truncate -s 0 "$T_DIR/state/snapshot"
faulty_node=n2 faulty "the node has another name" 'of node n1; it is not used' :

# --- a snapshot of another cluster, or of long ago: it is served until the API answers, then nothing of
# it is left
reboot
rm -rf "$T_DIR/state"
cp -a "$T_DIR/state.good" "$T_DIR/state"
e_signal etcd KILL
rm -rf "$E_DIR/etcd"
e_mark
e_spawn_agent
t_ok "a stale snapshot: served while the API is away" e_wait_agent
t_like "... it serves" "$(t_name 10.96.0.10:80)" '^10\.244\.0\.[12]:8080$'
e_start_etcd
e_spawn_api
e_wait_api
k_apply <"$T_ROOT/scripts/deploy/rbac.yaml"
k_node
k_service fresh ip=10.96.0.30 backends=10.244.9.2
t_ok "the API has another state: it is served" t_wait 20 answers_by 10.96.0.30:80 10.244.9.2:8080
t_wait 10 t_is_synced || :
t_is "... and nothing of the old one" "$(diff <(t_plan -o json 2>&1) <(t_dump -o json 2>&1) | head -n 20)" ""
t_is "... the old Service is not there" "$(t_name 10.96.0.10:80)" ENETUNREACH
t_stop_agent
t_done
