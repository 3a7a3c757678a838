#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Direct server return: the client's address is kept, replies do not pass the first node, and what
# does not fit into the tunnel is told to the client.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

declare -a uploads
bytes=$(t_scaled 3000000)
vip=203.0.113.10,2001:db8:9::10
via() { # NODE: the router's way to the VIP
	n_route 203.0.113.0/24 "$1"
	n_route 2001:db8:9::/64 "$1"
}
service() { # KEY=VALUE...
	t_service far ip=10.96.0.11,fd00:96::11 lb=$vip nodeport=30081 proto=TCP,UDP "$@"
}

n_up
via node1
for name in pod11 pod21; do n_serve "$name"; done
service backends="$(n_backends pod21)"
t_service near ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP,UDP backends="$(n_backends pod11)"
n_start node1 --forwarding dsr
n_start node2 --forwarding dsr
n_sync

n_reach "load balancer IP: the backend on the other node sees the client" client $vip 80 pod21 client
n_reach "NodePort: the same" client node1 30081 pod21 client
n_reach "a backend here needs no tunnel" client node1 30080 pod11 client
n_reach "a pod's packets to the ClusterIP" pod11 10.96.0.11,fd00:96::11 80 pod21 pod11
t_ok "the first node counts what it sends" [ "$(n_counter node1 dsr_encapsulated)" -gt 0 ]
t_ok "the second counts what it gets" [ "$(n_counter node2 dsr_decapsulated)" -gt 0 ]

# bytes that came into node1 from its pods, the router and the other node
received() { ip -n node1 -s -j link show eth0 | t_json 'd[0]["stats64"]["rx"]["bytes"]'; }
for family in 4 6; do
	to=$(n_bracket "$(n_host $vip $family)"):80
	overhead=$([ $family = 4 ] && echo 20 || echo 40)
	n_forget
	n_upload "IPv$family" client "$to" "$bytes"
	t_is "the client knows how much fits, IPv$family" "$(n_learned client $vip $family)" $((1500 - overhead))
	before=$(received)
	n_download "IPv$family" client "$to" "$bytes"
	t_ok "the reply does not pass the first node, IPv$family" [ $(($(received) - before)) -lt $((bytes / 3)) ]
	for size in 100 1400 4000; do
		t_is "datagrams of $size bytes, IPv$family" "$(n_udp client "$to" -s $size -r $size -a 5)" \
			"pod21 $(n_host client $family)"
	done
	t_is "one that does not fit is refused, IPv$family" "$(n_udp client "$to" -d -s 1470)" EMSGSIZE
done

# With Maglev any node can carry a flow on: here one moves to the backend's own node.
service backends="$(n_backends pod11 pod21)" note=svcbpf.io/algorithm:maglev
n_sync
data=$(_n_data 4000000)
for family in 4 6; do
	to=$(n_bracket "$(n_host $vip $family)"):80
	via node1
	for i in 1 2 3 4; do
		n_on client curl -sgf -m 60 --limit-rate 1M -T "$data" -H Expect: "http://$to/" >"$T_DIR/up$i" &
		uploads[i]=$!
	done
	t_pause 1.5
	via node2
	wait "${uploads[@]}" || :
	for i in 1 2 3 4; do
		t_is "a connection that comes to another node in mid-stream goes on, IPv$family ($i)" \
			"$(<"$T_DIR/up$i")  -" "$(sha256sum <"$data")"
	done
done
t_done
