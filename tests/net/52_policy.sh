#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may, who is refused, who is dropped, and who stays where: policies of the packet path.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

n_up
for route in 10.96.0.0/16 fd00:96::/112 203.0.113.0/24 2001:db8:9::/64; do
	n_route $route node1
done
for name in pod11 pod12 pod21 pod22; do n_serve $name; done

service() { # NAME N KEY=VALUE... - its addresses end in N, its NodePort is 30000 + N
	t_service "$1" ip="10.96.0.$2,fd00:96::$2" lb="203.0.113.$2,2001:db8:9::$2" nodeport=$((30000 + $2)) \
		proto=TCP,UDP "${@:3}"
}
lb() { echo "203.0.113.$1,2001:db8:9::$1"; }
cluster_ip() { echo "10.96.0.$1,fd00:96::$1"; }

# fails FACT FROM HOST PORT TCP UDP - how it fails in both families: "curl N" and an error's name.
fails() {
	local family to
	for family in 4 6; do
		to=$(n_bracket "$(n_host "$3" $family)"):$4
		t_is "$1, TCP, IPv$family" "$(n_http "$2" "http://$to/" -m 1)" "$5"
		t_is "$1, UDP, IPv$family" "$(n_udp "$2" "$to" -a 1 -t 500)" "$6"
	done
}
refused() { fails "$@" "curl 7" ECONNREFUSED; }
dropped() { fails "$@" "curl 28" EAGAIN; }

# counts FACT NODE COUNTER LEAST COMMAND... - the command makes the counter grow by that at least.
counts() {
	local fact=$1 node=$2 counter=$3 least=$4 before after
	shift 4
	before=$(n_counter "$node" "$counter")
	"$@"
	after=$(n_counter "$node" "$counter")
	t_ok "$fact: $counter counts" [ $((after - before)) -ge "$least" ]
}

service both-local 20 backends="$(n_backends pod11 pod21)" external_policy=Local
service only-there 21 backends="$(n_backends pod21)" external_policy=Local
service nobody 22
service ranges 23 backends="$(n_backends pod11)" ranges=192.0.2.3/32,2001:db8:2::3/128
service sticky 24 backends="$(n_backends pod11 pod12 pod21 pod22)" affinity=300
service myself 25 backends="$(n_backends pod11)"
service inside 26 backends="$(n_backends pod21)" internal=Local
service all 27 backends="$(n_backends pod11 pod12 pod21 pod22)"
n_start node1
n_start node2
n_sync

# ------------------------------------------------------------------ externalTrafficPolicy

for i in 1 2 3 4; do
	n_reach "Local: only the pod here answers ($i)" client node1 30020 pod11 client
done
n_reach "Local: the other node has its own" client node2 30020 pod21 client
n_reach "Local: load balancer IP" client "$(lb 20)" 80 pod11 client
counts "Local without a backend here" node1 dropped_policy 4 \
	dropped "Local without a backend here: dropped" client node1 30021
n_reach "... and answered by the node that has one" client node2 30021 pod21 client
n_reach "... its ClusterIP answers everywhere" client "$(cluster_ip 21)" 80 pod21 node1
n_reach "... and so does the NodePort for a pod of the node" pod12 node1 30021 pod21 pod12
dropped "internalTrafficPolicy Local without a backend here" pod12 "$(cluster_ip 26)" 80
n_reach "... NodePorts do not care" client node1 30026 pod21 node1

# ------------------------------------------------------------------ no backend

counts "no backend" node1 packets_rejected 4 refused "no backend: NodePort" client node1 30022
refused "no backend: ClusterIP from outside" client "$(cluster_ip 22)" 80
refused "no backend: load balancer IP" client "$(lb 22)" 80
refused "no backend: ClusterIP from a pod" pod12 "$(cluster_ip 22)" 80
refused "no backend: NodePort from a pod" pod12 node1 30022
refused "a port that is nobody's is refused by the node itself" client node1 30099
t_ok "refusing takes no time" [ "$(n_on client curl -sg -o /dev/null -w '%{time_total}' "http://${n_ip4[node1]}:30022" | tr -d .)" -lt 300000 ]

# ------------------------------------------------------------------ loadBalancerSourceRanges

n_from() { # FACT SOURCE4 SOURCE6 HOST PORT TCP-PATTERN UDP-PATTERN
	local family to source
	for family in 4 6; do
		to=$(n_bracket "$(n_host "$4" $family)"):$5
		source=$(n_host "$2,$3" $family)
		t_like "$1, TCP, IPv$family" "$(n_http client "http://$to/" -m 1 --interface "$source")" "$6"
		t_like "$1, UDP, IPv$family" "$(n_udp client "$to" -a 1 -t 500 -b "$source")" "$7"
	done
}
n_from "in the ranges" 192.0.2.3 2001:db8:2::3 "$(lb 23)" 80 '^pod11 .*3$' '^pod11 .*3$'
counts "not in the ranges" node1 dropped_source_range 4 \
	n_from "not in the ranges" 192.0.2.4 2001:db8:2::4 "$(lb 23)" 80 '^curl 28$' '^EAGAIN$'
n_from "the ranges do not hold for the NodePort" 192.0.2.4 2001:db8:2::4 node1 30023 '^pod11 .*4$' '^pod11 .*4$'
dropped "the ranges hold for pods too" pod12 "$(lb 23)" 80

# ------------------------------------------------------------------ affinity, choice

backends_of() { # HOST PORT N SOURCE4 SOURCE6: who answered, both families and protocols
	local family to i
	for family in 4 6; do
		to=$(n_bracket "$(n_host "$1" $family)"):$2
		for ((i = 0; i < $3; i++)); do
			n_http client "http://$to/" --interface "$(n_host "$4,$5" $family)"
			n_udp client "$to" -b "$(n_host "$4,$5" $family)"
		done | cut -d ' ' -f 1 | sort | uniq -c | sort -rn | awk '{ print $2 }' | paste -sd ' '
	done
}
is_one() { [ "$(tr ' ' '\n' <<<"$1" | sort -u | wc -l)" = 1 ]; }

while read -r answered; do
	t_like "without affinity all four answer" "$(tr ' ' '\n' <<<"$answered" | sort | paste -sd ' ')" '^pod11 pod12 pod21 pod22$'
done < <(backends_of node1 30027 30 192.0.2.2 2001:db8:2::2)
for source in 2 3 4; do
	while read -r answered; do
		t_like "affinity: client $source stays with one backend for TCP and one for UDP" "$answered" '^pod[0-9]+( pod[0-9]+)?$'
	done < <(backends_of node1 30024 6 192.0.2.$source 2001:db8:2::$source)
done
for family in 4 6; do
	host=$(n_bracket "$(n_host node1 $family)") vip=$(n_bracket "$(n_host "$(lb 24)" $family)")
	first=$(n_http client "http://$host:30024/")
	same=0
	for i in $(seq 8); do [ "$(n_http client "http://$vip/")" != "$first" ] || same=$((same + 1)); done
	t_is "affinity is shared by the Service's addresses, IPv$family" $same 8
done

# ------------------------------------------------------------------ hairpin

n_reach "a pod reaches itself through its Service: ClusterIP" pod11 "$(cluster_ip 25)" 80 pod11 -
n_reach "... NodePort" pod11 node1 30025 pod11 -
n_reach "... load balancer IP" pod11 "$(lb 25)" 80 pod11 -
n_transfer "... payload" pod11 "$(cluster_ip 25)" 80 1000000

# ------------------------------------------------------------------ nodePortAddresses

n_on node1 ip addr add 172.18.0.111/24 dev eth0
n_on node1 ip addr add 2001:db8:172::111/64 dev eth0 nodad
second=172.18.0.111,2001:db8:172::111
answers() { [ "$(n_http client http://172.18.0.111:30025/ -m 1)" = "pod11 192.0.2.2" ]; }
t_ok "an address that the node gets later answers on NodePorts" t_wait 10 answers
n_reach "... in all ways" client $second 30025 pod11 client
n_stop node1
n_start node1 --nodeport-addresses primary
n_sync
n_reach "primary: the Node's addresses answer" client node1 30025 pod11 client
refused "primary: others do not" client $second 30025
n_stop node1
n_start node1 --nodeport-addresses 172.18.0.111/32,2001:db8:172::111/128
n_sync
n_reach "a list of addresses: those answer" client $second 30025 pod11 client
refused "... others do not" client node1 30025
t_done
