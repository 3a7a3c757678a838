#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With Maglev every node chooses the same backend for a flow it has not seen before.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

vip4=203.0.113.10 vip6=2001:db8:9::10
n_up
n_on client sysctl -qw net.ipv4.tcp_max_tw_buckets=0 # a port of a closed connection is free again
for name in "${n_pods[@]}"; do n_serve "$name"; done

service() { # ALGORITHM BACKENDS
	t_service web ip=10.96.0.10,fd00:96::10 lb=$vip4,$vip6 proto=TCP,UDP nodeport=30080 \
		note="svcbpf.io/algorithm:$1" backends="$2"
}
via() { # NODE...: the router's way to the VIP
	n_route 203.0.113.0/24 "$@"
	n_route 2001:db8:9::/64 "$@"
}
names() { cut -d ' ' -f 1 | paste -sd ' '; }
# answers FAMILY - who answers flows from 40 ports, by UDP
answers() { n_on client "$T_TOOLS/udpask" -n 40 -p 42000 "$(n_bracket "$(n_host $vip4,$vip6 "$1")"):80" | names; }
# the same by TCP, from 12 ports
tcp_answers() { # FAMILY FIRST-PORT
	local i
	for ((i = 0; i < 12; i++)); do
		n_http client "http://$(n_bracket "$(n_host $vip4,$vip6 "$1")")/" --local-port $(($2 + i))
	done | names
}
n_distinct() { tr ' ' '\n' <<<"$1" | sort -u | wc -l; }

service maglev "$(n_backends "${n_pods[@]}")"
n_start node1
n_start node2
n_sync
for family in 4 6; do
	via node1
	first=$(answers $family)
	first_tcp=$(tcp_answers $family 43000)
	t_is "all four backends are used, IPv$family" "$(n_distinct "$first")" 4
	via node2
	t_is "the other node chooses as the first did, UDP, IPv$family" "$(answers $family)" "$first"
	via node1 node2
	t_is "and so do both together, IPv$family" "$(answers $family)" "$first"
	via node2
	t_is "... TCP, IPv$family" "$(tcp_answers $family 43000)" "$first_tcp"
done

t_ask flow nsenter --net=/run/netns/client -- "$T_TOOLS/udpask" -i -p 44000 "$vip4:80"
via node1
before=$(t_round flow | names)
via node2
t_is "a UDP flow that comes to another node keeps its backend" "$(t_round flow | names)" "$before"

# One backend leaves: only its flows move.
service maglev "$(n_backends pod11 pod12 pod21)"
n_sync
for family in 4 6; do
	was=$(n_on client "$T_TOOLS/udpask" -n 40 -p 45000 "$(n_bracket "$(n_host $vip4,$vip6 $family)"):80" | names)
	via node1
	is=$(n_on client "$T_TOOLS/udpask" -n 40 -p 45000 "$(n_bracket "$(n_host $vip4,$vip6 $family)"):80" | names)
	t_is "also after a change, IPv$family" "$is" "$was"
	t_is "nobody goes to the backend that left, IPv$family" "$(grep -c pod22 <<<"$is" || :)" 0
	via node2
done

# The cluster's own clients are served as ever.
n_reach "a pod's packets to the ClusterIP" pod12 10.96.0.10,fd00:96::10 80 'pod[12][12]' -
service random "$(n_backends "${n_pods[@]}")"
n_sync
via node1
first=$(n_on client "$T_TOOLS/udpask" -n 40 -p 46000 "$vip4:80" | names)
via node2
t_ok "without Maglev each node chooses for itself" [ "$first" != "$(n_on client "$T_TOOLS/udpask" -n 40 -p 46000 "$vip4:80" | names)" ]
t_done
