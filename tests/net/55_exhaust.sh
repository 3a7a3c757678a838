#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No more ports, no more room for flows: what is refused, what goes on, what is counted.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

n_up
for name in pod11 pod21; do n_serve "$name"; done
t_service near ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP,UDP backends="$(n_backends pod11)"
t_service far ip=10.96.0.11,fd00:96::11 nodeport=30081 proto=TCP,UDP backends="$(n_backends pod21)"

# ask NAME FAMILY N: N sockets, asked again with each t_round_n
ask() { t_ask "$1" nsenter --net=/run/netns/client -- "$T_TOOLS/udpask" -i -a 1 -t 300 -n "$3" \
	"$(n_bracket "$(n_host node1 "$2")"):30081"; }

# round NAME N - how many of the N sockets are answered
round() {
	local in=t_in_$1 out=t_out_$1 line i n=0
	echo >&"${!in}"
	for ((i = 0; i < $2; i++)); do
		read -rt 10 line <&"${!out}" || break
		[[ $line != pod21* ]] || n=$((n + 1))
	done
	echo $n
}

# ------------------------------------------------------------------ SNAT ports

n_start node1 --snat-ports 20000-20039 --flow-timeout udp=60s,udp-stream=60s,tcp-time-wait=60s
n_sync
for family in 4 6; do
	before=$(n_counter node1 snat_exhausted)
	ask "few$family" $family 40
	t_is "as many flows as there are ports, IPv$family" "$(round "few$family" 40)" 40
	ask "more$family" $family 10
	t_is "no further one, IPv$family" "$(round "more$family" 10)" 0
	t_ok "which is counted" [ "$(n_counter node1 snat_exhausted)" -ge $((before + 10)) ]
	t_is "those that were there go on, IPv$family" "$(round "few$family" 40)" 40
	t_like "another backend has all ports for itself, IPv$family" \
		"$(n_udp client "$(n_bracket "$(n_host node1 $family)"):30080")" '^pod11 '
	t_like "so has another protocol" "$(n_http client "http://$(n_bracket "$(n_host node1 $family)"):30081/")" '^pod21 '
done
# far more TCP connections than ports, one after the other: closed ones give theirs back
for family in 4 6; do
	to=$(n_bracket "$(n_host node1 $family)")
	n_good=0
	for i in $(seq 80); do
		[[ $(n_http client "http://$to:30081/") != pod21* ]] || n_good=$((n_good + 1))
	done
	t_is "80 connections through 40 ports, IPv$family" $n_good 80
done
n_stop node1
n_svcbpf node1 cleanup >/dev/null

n_start node1 --snat-ports 20000-20039 --flow-timeout udp=2s,udp-stream=2s
n_sync
for family in 4 6; do
	ask "idle$family" $family 40
	t_is "all ports in use once more, IPv$family" "$(round "idle$family" 40)" 40
	ask "next$family" $family 40
	is_free() { [ "$(round "next$family" 40)" = 40 ]; }
	t_ok "idle flows give theirs up, IPv$family" t_wait 20 is_free
done
n_stop node1
n_svcbpf node1 cleanup >/dev/null

# ------------------------------------------------------------------ the flow table

# Counted each half minute; status then says that not all is well.
has_evicted() {
	local status
	status=$(n_svcbpf node1 status -o json) || :
	[ "$(t_json "d['flows']['evicted']" <<<"$status")" -gt 0 ]
}
n_start node1 --max-flows 1024
n_sync
t_is "four times as many flows as there is room for: each is answered at first" \
	"$(n_on client "$T_TOOLS/udpask" -n 4096 -a 5 "${n_ip4[node1]}:30081" | grep -c '^pod21 ')" 4096
t_ok "evictions are counted" t_wait 60 has_evicted
n_reach "the table still takes flows: backend here" client node1 30080 pod11 client
n_reach "the table still takes flows: backend on the other node" client node1 30081 pod21 node1
n_transfer "... and carries them" client node1 30081 1000000
t_done
