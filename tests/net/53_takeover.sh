#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Flows live on while the agent dies, comes back and is replaced, and while backends come and go;
# cleanup leaves nothing. By TCX, and by clsact.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

bytes=$(t_scaled 3000000) rate=$(t_scaled 1500000)
loops=()

# keep_going NAME up|down ADDRESS:PORT: transfers of two seconds each, one after the other, until
# finish(); there is always one in the middle.
keep_going() {
	local data sum got n_good=0 n_bad=0
	data=$(_n_data "$bytes")
	sum=$(sha256sum <"$data")
	until [ -e "$T_DIR/enough" ]; do
		if [ "$2" = down ]; then
			got=$(n_on client curl -sgf -m 60 --limit-rate "$rate" "http://$3/bytes/$bytes" | sha256sum) || :
		else
			got="$(n_on client curl -sgf -m 60 -H Expect: --limit-rate "$rate" -T "$data" "http://$3/")  -" || :
		fi
		[ "$got" = "$sum" ] && n_good=$((n_good + 1)) || n_bad=$((n_bad + 1))
	done
	echo $n_good $n_bad >"$T_DIR/result.$1.$2"
}

start_all() {
	local family way
	rm -f "$T_DIR/enough" "$T_DIR"/result.*
	_n_data "$bytes" >/dev/null
	for family in 4 6; do
		for way in up down; do
			keep_going "here$family" $way "$(n_bracket "$(n_host node1 $family)"):30080" &
			loops+=($!)
			keep_going "there$family" $way "$(n_bracket "$(n_host node1 $family)"):30081" &
			loops+=($!)
		done
	done
	t_pause 1
}

finish() { # FACT: every byte of every transfer came
	local file n_good n_bad
	: >"$T_DIR/enough"
	wait "${loops[@]}" || :
	loops=()
	for file in "$T_DIR"/result.*; do
		read -r n_good n_bad <"$file"
		t_ok "$1: ${file##*result.}: $n_good transfers, $n_bad broken" [ "$n_good" -ge 1 -a "$n_bad" = 0 ]
	done
}

services() {
	t_service near ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP,UDP backends="$(n_backends pod11)"
	t_service far ip=10.96.0.11,fd00:96::11 nodeport=30081 proto=TCP,UDP backends="$(n_backends pod21)"
	t_service pair ip=10.96.0.12,fd00:96::12 nodeport=30082 proto=TCP,UDP backends="$(n_backends pod21 pod22)"
}

restarts() { # MODE
	local i times=2
	! t_is_slow || times=1
	for ((i = 1; i <= times; i++)); do
		n_stop node1 KILL
		t_is "$1: killed: a new connection all the same ($i)" \
			"$(n_http client "http://${n_ip4[node1]}:30081/")" "pod21 ${n_ip4[node1]}"
		n_start node1 --tc-attach "$1"
	done
	n_stop node1 TERM
	cp "$SVCBPF" "$T_DIR/svcbpf-next"
	SVCBPF=$T_DIR/svcbpf-next n_start node1 --tc-attach "$1"
	n_sync
}

endpoints_change() { # MODE
	local family to host first
	for family in 4 6; do
		host=$(n_bracket "$(n_host node1 $family)")
		t_ask "flow$1$family" nsenter --net=/run/netns/client -- "$T_TOOLS/udpask" -i "$host:30082"
	done
	for family in 4 6; do
		first=$(t_round "flow$1$family" | cut -d ' ' -f 1)
		t_is "$1: a UDP flow stays with its backend, IPv$family" "$(t_round "flow$1$family" | cut -d ' ' -f 1)" "$first"
		[ "$first" = pod21 ] && to=pod22 || to=pod21
		t_service pair ip=10.96.0.12,fd00:96::12 nodeport=30082 proto=TCP,UDP backends="$(n_backends $to)"
		n_sync
		is_answered_by() { [ "$(t_round "$1" | cut -d ' ' -f 1)" = "$2" ]; }
		t_ok "$1: it moves when the backend has left, IPv$family" t_wait 5 is_answered_by "flow$1$family" $to
		services
		n_sync
		t_is "$1: and stays there, IPv$family" "$(t_round "flow$1$family" | cut -d ' ' -f 1)" $to
	done
	t_service near ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP,UDP backends="$(n_backends pod12)"
	t_service far ip=10.96.0.11,fd00:96::11 nodeport=30081 proto=TCP,UDP backends="$(n_backends pod22)"
	n_sync
	n_reach "$1: new flows go to the new backends" client node1 30080 pod12 client
	n_reach "$1: new flows go to the new backends" client node1 30081 pod22 node1
}

# What of ours is on the devices of node1: links' programs and filters.
attached() {
	find "$T_DIR/bpf/node1" -name 'ingress-*' -o -name 'egress-*' 2>/dev/null
	local device
	for device in $(n_on node1 ip -o link | sed -nE 's/^[0-9]+: ([^:@]+).*/\1/p'); do
		n_on node1 tc filter show dev "$device" ingress
		n_on node1 tc filter show dev "$device" egress
		n_on node1 tc qdisc show dev "$device" | grep clsact || :
	done
}

# how the programs are attached to a device of node1
hook_of() { n_svcbpf node1 status -o json | t_json "next(e['ingress'] for e in d['devices'] if e['name'] == '$1')" || :; }

n_up
for name in "${n_pods[@]}"; do n_serve "$name"; done
for mode in auto clsact; do
	services
	n_start node1 --tc-attach "$mode"
	n_sync
	hook=$(hook_of eth0)
	start_all
	restarts "$mode"
	finish "$mode: agent killed, started and replaced"
	start_all
	endpoints_change "$mode"
	finish "$mode: the backend left"
	t_like "$mode: something is attached" "$(attached)" .
	n_stop node1
	t_ok "$mode: cleanup" n_svcbpf node1 cleanup
	t_is "$mode: cleanup leaves no program, filter, qdisc or pin" "$(attached)" ""
	t_is "$mode: nobody answers on a NodePort then" "$(n_http client "http://${n_ip4[node1]}:30080/")" "curl 7"
	t_like "$mode: pods are reached as before" "$(n_http client "http://${n_ip4[pod21]}:8080/")" '^pod21 '
	[ "$hook" != clsact ] || break # without TCX, auto was clsact already
done
t_done
