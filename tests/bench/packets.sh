#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the packet path costs, `make bench-packets`: plain routing, kube-proxy's nftables rules and
# svcbpf side by side, each in a network of its own:
#
#	client ── node1 ──┬── pod11 "here"
#	                  └── node2 ── pod21 "other node"
#
#   tests/bench/packets.sh [ROUNDS [SERVICES]]   default: 21 rounds, 100 Services
#   tests/bench/packets.sh --world plain|nftables|svcbpf|xdp SERVICES   one of them; ends with file 8
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

# ------------------------------------------------------------------ one world

near="10.96.0.10 fd00:96::10 30080 10.244.1.11 fd00:244:1::11"
far="10.96.0.11 fd00:96::11 30081 10.244.2.21 fd00:244:2::21"

network() {
	local name
	for name in client node1 node2 pod11 pod21; do _n_namespace "$name"; done
	_n_link 1500 client eth0 node1 eth0
	_n_link 1500 node2 eth0 node1 eth1
	_n_link 1500 pod11 eth0 node1 v-pod11
	_n_link 1500 pod21 eth0 node2 v-pod21
	_n_addr client eth0 192.0.2.2/24 2001:db8:2::2/64
	_n_addr node1 eth0 192.0.2.1/24 2001:db8:2::1/64
	_n_addr node1 eth1 172.18.0.11/24 2001:db8:172::11/64
	_n_addr node2 eth0 172.18.0.12/24 2001:db8:172::12/64
	_n_addr node1 v-pod11 10.244.1.1/24 fd00:244:1::1/64
	_n_addr node2 v-pod21 10.244.2.1/24 fd00:244:2::1/64
	_n_addr pod11 eth0 10.244.1.11/24 fd00:244:1::11/64
	_n_addr pod21 eth0 10.244.2.21/24 fd00:244:2::21/64
	_n_default client 192.0.2.1 2001:db8:2::1
	_n_default node2 172.18.0.11 2001:db8:172::11
	_n_default pod11 10.244.1.1 fd00:244:1::1
	_n_default pod21 10.244.2.1 fd00:244:2::1
	ip -n node1 route add 10.244.2.0/24 via 172.18.0.12
	ip -n node1 -6 route add fd00:244:2::/64 via 2001:db8:172::12
}

# shellcheck disable=SC2086 # words
services() {
	local i
	set -- $near $far
	t_service near ip=$1,$2 nodeport=$3 proto=TCP,UDP backends=$4,$5
	t_service far ip=$6,$7 nodeport=$8 proto=TCP,UDP backends=$9,${10}
	for ((i = 0; i < n_fillers; i++)); do
		t_service "filler$i" "ip=10.97.$((i / 250)).$((i % 250)),fd00:97::$i" nodeport=$((31000 + i)) \
			proto=TCP,UDP backends=10.244.1.12,fd00:244:1::12
	done
}

# shellcheck disable=SC2086
world() { # KIND N-FILLERS
	local n_fillers=$2
	network
	case $1 in
	nftables) "$here/kube-proxy-nft.sh" 192.0.2.1 2001:db8:2::1 "$n_fillers" $near $far |
		n_on node1 nft -f - ;;
	svcbpf)
		mkdir -p "$T_CGROUP/node1"
		services
		n_start node1 --uplinks eth0,eth1
		n_sync
		;;
	xdp)
		mkdir -p "$T_CGROUP/node1"
		services
		n_start node1 --uplinks eth0,eth1 --xdp native
		n_sync
		n_on node1 ping -c 1 -W 5 172.18.0.12 >/dev/null
		n_on node1 ping -c 1 -W 5 2001:db8:172::12 >/dev/null
		;;
	esac
	echo ready
	read -r _ <&8 || :
}

if [ "${1:-}" = --world ]; then
	# shellcheck source=tests/net/lib.sh
	. "$here/../net/lib.sh"
	# shellcheck source=tests/net/topology.sh
	. "$here/../net/topology.sh"
	world "$2" "$3"
	exit
fi

# ------------------------------------------------------------------ all of them

rounds=${1:-21} n_services=${2:-100}
T_BUILD=${O:-build}
scratch=$(mktemp -d)
declare -A inputs pids roots

end_worlds() {
	local kind
	for kind in "${!inputs[@]}"; do eval "exec ${inputs[$kind]}>&-"; done
	wait "${pids[@]}" 2>/dev/null || :
	rm -r "$scratch"
}
trap end_worlds EXIT

inside() { # PID: the first descendant that has the world's namespaces below its root
	local child world=/proc/$1/root
	[ ! -e "$world/run/netns/pod21" ] || { echo "$1" && return; }
	for child in $(ps -o pid= --ppid "$1"); do inside "$child"; done
}

args=()
for kind in plain nftables svcbpf xdp; do
	mkfifo "$scratch/$kind.in"
	"${BASH_SOURCE[0]}" --world "$kind" "$n_services" 8<"$scratch/$kind.in" >"$scratch/$kind.out" 2>&1 &
	pids[$kind]=$!
	exec {input}>"$scratch/$kind.in"
	inputs[$kind]=$input
done
for kind in plain nftables svcbpf xdp; do
	until grep -q '^ready' "$scratch/$kind.out"; do
		kill -0 "${pids[$kind]}" 2>/dev/null || { cat "$scratch/$kind.out" && exit 1; }
		sleep 0.1
	done
	roots[$kind]=/proc/$(inside "${pids[$kind]}" | head -n 1)/root
	[ $kind = xdp ] || args+=("$kind=${roots[$kind]}/run")
done
"$T_BUILD/tests/bench/packets" "$rounds" "${args[@]}"

programs_cost() { # WORLD [xdp] - of a run of that world's programs
	local root=${roots[$1]}/run
	echo
	"$T_BUILD/tests/bench/packet_run" "$rounds" "$root/netns/node1" \
		"$(dirname "$(find "$root/t/bpf/node1" -name 'ingress-*' 2>/dev/null | head -n 1)")" "${@:2}"
}

programs_cost svcbpf
programs_cost xdp xdp
