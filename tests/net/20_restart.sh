#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No connect fails and none is untranslated while the agent dies, comes back and works.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2 10.244.0.3 fd00:244::1
t_answer 10.244.0.1:8080 10.244.0.2:8080 10.244.0.3:8080 "[fd00:244::1]:8080"

web() { t_service web ip=10.96.0.10,fd00:96::10 proto=TCP,UDP nodeport=30080 "$@"; }
web backends=10.244.0.1,10.244.0.2,fd00:244::1
t_start_agent
t_sync

declare -A loops

# start_loop NAME OPTIONS... - connects in the background until end_loop
start_loop() {
	local name=$1
	shift
	t_exec "$T_TOOLS/connloop" -n 100000000 -d 280 "$@" 10.96.0.10:80=10.244.0. \
		'[fd00:96::10]:80=[fd00:244::1]' 10.244.0.1:30080=10.244.0. >"$T_DIR/loop-$name" 2>&1 &
	loops[$name]=$!
}

end_loop() { # NAME LEAST-CONNECTS
	local report n what
	kill "${loops[$1]}"
	wait "${loops[$1]}" || :
	report=$(<"$T_DIR/loop-$1")
	n=$(t_json 'd["connects"]' <<<"$report")
	t_ok "$1: at least $2 connects in all ($n)" [ "$n" -ge "$2" ]
	for what in failed untranslated wrong; do
		t_is "$1: $what" "$(t_json "d['$what']" <<<"$report")" 0
	done
	[ "$(t_json 'd["ok"]' <<<"$report")" = "$n" ] || t_diag "$report"
}

start_loop TCP -r "$(t_scaled 1500)"
start_loop UDP -u -r "$(t_scaled 500)"

before=$(t_attached)
for i in 1 2 3; do
	t_stop_agent KILL
	t_is "killed, round $i: the programs stay" "$(t_attached | wc -l)" "$(wc -l <<<"$before")"
	t_start_agent
	t_ok "started again, round $i: the programs are new ones, swapped in place" \
		[ "$(t_attached)" != "$before" ]
	before=$(t_attached)
done
t_stop_agent TERM
t_is "SIGTERM: exit status 0" "$t_agent_status" 0
web backends=10.244.0.3,fd00:244::1
t_start_agent
t_sync
t_is "what changed meanwhile is there after the start" "$(t_name 10.96.0.10:80)" 10.244.0.3:8080

n_changes=$(t_scaled 1000)
syncs() { "$SVCBPF" status --pin-dir "$T_PINS" -o json | sed -nE 's/.*"count": ?([0-9]+).*/\1/p'; }
has_synced_since() { now=$(syncs) && [ "$now" -gt "$1" ]; }
first=$(syncs) now=$first
for ((i = 0; i < n_changes; i++)); do
	before=$now deadline=$(($(t_now_ms) + 10000))
	case $((i % 3)) in
	0) web backends=10.244.0.1,fd00:244::1 ;;
	1) web backends=10.244.0.1,10.244.0.2,10.244.0.3,fd00:244::1 ;;
	2) web backends=10.244.0.3,10.244.0.2,fd00:244::1 ;;
	esac
	until has_synced_since "$before"; do [ "$(t_now_ms)" -lt "$deadline" ] || break; done
	has_synced_since "$before" || t_bail "change $i is programmed"
done
t_ok "$n_changes changes of the Service were programmed" [ $(($(syncs) - first)) -ge "$n_changes" ]

n_others=$(t_scaled 2000)
others() { # as many other Services, in one file
	local i
	for ((i = 0; i < n_others; i++)); do
		printf -- '---\n{apiVersion: v1, kind: Service, metadata: {name: o%d, namespace: default}, spec: {clusterIP: 10.97.%d.%d, clusterIPs: [10.97.%d.%d], ipFamilies: [IPv4], ports: [{name: a, port: 80}]}}\n' \
			$i $((i / 250)) $((i % 250)) $((i / 250)) $((i % 250))
		printf -- '---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: o%d, namespace: default, labels: {kubernetes.io/service-name: o%d}}, ports: [{name: a, port: 8080}], endpoints: [{addresses: [10.244.9.%d]}]}\n' \
			$i $i $((i % 250))
	done
}
others >"$T_DIR/others.yaml"
for i in 1 2 3; do
	cp "$T_DIR/others.yaml" "$T_MANIFESTS/.others.new"
	mv "$T_MANIFESTS/.others.new" "$T_MANIFESTS/others.yaml"
	t_sync 60
	rm "$T_MANIFESTS/others.yaml"
	t_sync 60
done
t_ok "$n_others other Services came and went three times" true

end_loop TCP "$(t_scaled 20000)"
end_loop UDP "$(t_scaled 5000)"
t_done
