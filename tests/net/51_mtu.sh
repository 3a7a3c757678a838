#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Small hops, big frames, fragments, and the ICMP errors that make them work, in both families.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

set_up() { # N_UP-OPTIONS
	n_up "$@"
	n_route 203.0.113.0/24 node1
	n_route 2001:db8:9::/64 node1
	n_serve pod11
	n_serve pod21
	t_service near ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP,UDP backends="$(n_backends pod11)"
	t_service far ip=10.96.0.11,fd00:96::11 nodeport=30081 proto=TCP,UDP backends="$(n_backends pod21)" \
		lb=203.0.113.10,2001:db8:9::10
	# nobody listens there
	t_service near-closed ip=10.96.0.12,fd00:96::12 target=9 nodeport=30082 proto=TCP,UDP \
		backends="$(n_backends pod11)"
	t_service far-closed ip=10.96.0.13,fd00:96::13 target=9 nodeport=30083 proto=TCP,UDP \
		backends="$(n_backends pod21)"
	n_start node1
	n_start node2
	n_sync
}

# UDP of all sizes, by fragments where it must be: routers make them of IPv4, only the hosts of IPv6.
datagrams() { # FACT PORT
	local family to size cut sizes=(100 1400 4000 20000 60000)
	! t_is_slow || sizes=(1400 20000)
	for family in 4 6; do
		[ $family = 4 ] && cut=-D || cut=-a5
		to=$(n_bracket "$(n_host node1 $family)"):$2
		for size in "${sizes[@]}"; do
			t_like "$1, IPv$family: $size bytes there and back" \
				"$(n_udp client "$to" -s "$size" -r "$size" $cut -a 5)" '^pod'
		done
	done
}

# A datagram that may not be cut and is too big is refused with EMSGSIZE; one that fits is answered.
whole_datagrams() { # FACT PORT FITS TOO-BIG
	local family to
	for family in 4 6; do
		to=$(n_bracket "$(n_host node1 $family)"):$2
		t_is "$1, IPv$family: $4 bytes with don't-fragment are too big" "$(n_udp client "$to" -d -s "$4")" EMSGSIZE
		t_like "$1, IPv$family: $3 are not" "$(n_udp client "$to" -d -s "$3")" '^pod'
	done
}

# Big TCP transfers, each way without knowledge of the way; then both ends know what is said here.
transfers() { # FACT PORT POD CLIENT-OF-THE-POD PATH-MTU-OF-CLIENT PATH-MTU-OF-POD; 0: nothing is small
	local family to
	for family in 4 6; do
		to=$(n_bracket "$(n_host node1 $family)"):$2
		n_forget
		n_upload "$1, IPv$family" client "$to" "$(t_scaled 2000000)"
		t_is "$1, IPv$family: the client knows the path MTU" "$(n_learned client node1 $family)" "$5"
		n_forget
		n_download "$1, IPv$family" client "$to" "$(t_scaled 2000000)"
		t_is "$1, IPv$family: the backend knows the path MTU" "$(n_learned "$3" "$4" $family)" "$6"
	done
}

# told MTU - what is told of a way out that has this MTU: before 5.12 the kernel does not say how much
# fits there (bpf_fib_lookup), so it is what every path carries.
told() { [ "$(t_kernel)" -ge 5012 ] && echo "$1" || echo 1280; }

trace() { # FACT HOST PORT OPTIONS: the first two hops are routers, the last is who was asked
	local family log hops
	for family in 4 6; do
		log=$(n_on client traceroute -n -q 2 -w 3 -m 9 -p "$3" "${@:4}" "$(n_host "$2" $family)" 2>&1) || :
		hops=$(awk 'NR > 1 { print $2 }' <<<"$log" | tr '\n' ' ')
		t_like "$1, IPv$family" "$hops" \
			"^($([ $family = 4 ] && echo '192.0.2.1 198.18.0.2' || echo '2001:db8:2::1 2001:db8:18::2')) .*\\b$(n_host "$2" $family) $"
	done
}

errors() { # what a closed port of a backend looks like from outside
	local port family to
	for port in 30082 30083; do
		for family in 4 6; do
			to=$(n_bracket "$(n_host node1 $family)"):$port
			t_is "a closed port behind $port refuses TCP, IPv$family" "$(n_http client "http://$to/")" "curl 7"
			t_is "... and UDP" "$(n_udp client "$to")" ECONNREFUSED
		done
	done
}

traces() {
	trace "traceroute by UDP to a NodePort, backend here" node1 30082 -U
	trace "traceroute by UDP to a NodePort, backend on the other node" node1 30083 -U
	trace "traceroute by TCP to a NodePort, backend here" node1 30080 -T
	trace "traceroute by TCP to a NodePort, backend on the other node" node1 30081 -T
	trace "traceroute by TCP to a load balancer IP" 203.0.113.10,2001:db8:9::10 80 -T
	trace "traceroute to the node" node1 33434
	t_like "ping that may not be cut learns of the small hop" \
		"$(n_on client ping -c 2 -i 0.2 -W 5 -s 1400 -M 'do' "${n_ip4[node1]}" 2>&1 || :)" 'mtu ?= ?1300'
	t_ok "ping in fragments" n_on client ping -c 2 -i 0.2 -W 5 -s 4000 "${n_ip4[node1]}"
	t_ok "ping in fragments, IPv6" n_on client ping -c 2 -i 0.2 -W 5 -s 4000 "${n_ip6[node1]}"
}

offloads() { # on|off: of every veth that traffic passes
	local name
	for name in client node1 node2 pod11 pod21; do
		n_on $name ethtool -K eth0 tx "$1" rx "$1" tso "$1" gso "$1" gro "$1" sg "$1" >/dev/null 2>&1
	done
}

near="backend here" far="backend on the other node"

small_hop() {
	local shape="1300 before the nodes"
	set_up hop=1300
	transfers "$shape, $near" 30080 pod11 client 1300 1300
	transfers "$shape, $far" 30081 pod21 node1 1300 1300
	datagrams "$shape, $near" 30080
	datagrams "$shape, $far" 30081
	whole_datagrams "$shape" 30081 1200 1400
	errors
	traces
}

small_link() {
	local shape="1300 between the nodes" least
	least=$(told 1300)
	set_up shape=routed between=1300
	transfers "$shape, $near" 30080 pod11 client 0 0
	transfers "$shape, $far" 30081 pod21 node1 "$least" 1300
	datagrams "$shape" 30081
	whole_datagrams "$shape" 30081 1200 1400
}

tunnel() { # N_UP-OPTIONS
	local shape="a tunnel between the nodes" least
	least=$(told 1450)
	set_up overlay=vxlan pod=1500 "$@"
	transfers "$shape, $near" 30080 pod11 client 0 0
	transfers "$shape, $far" 30081 pod21 tunnel1 "$least" 1450
	datagrams "$shape" 30081
	whole_datagrams "$shape" 30081 $((least - 100)) 1440
}

tagged() {
	local shape="a tagged uplink"
	set_up vlan=100 hop=1300
	transfers "$shape, $near" 30080 pod11 client 1300 1300
	transfers "$shape, $far" 30081 pod21 node1 1300 1300
	datagrams "$shape" 30081
}

tagged_tunnel() {
	tunnel vlan=100
	errors
}

jumbo() {
	local shape="9000 all the way"
	set_up lan=9000 client=9000 hop=9000
	transfers "$shape, $near" 30080 pod11 client 0 0
	transfers "$shape, $far" 30081 pod21 node1 0 0
	whole_datagrams "$shape, $near" 30080 8900 9000
	whole_datagrams "$shape, $far" 30081 8900 9000
}

jumbo_small_hop() {
	local shape="9000 with a hop of 1300"
	set_up lan=9000 client=9000 hop=1300
	transfers "$shape, $near" 30080 pod11 client 1300 1300
	transfers "$shape, $far" 30081 pod21 node1 1300 1300
	datagrams "$shape, $far" 30081
	offloads off
	shape="9000 with a hop of 1300, no offload"
	transfers "$shape, $near" 30080 pod11 client 1300 1300
	transfers "$shape, $far" 30081 pod21 node1 1300 1300
	datagrams "$shape, $far" 30081
}

# Not every machine's kernel has VLAN devices. Debian's have: scripts/check-kernels.sh shows what is
# left out here, and fails when it cannot.
is_tagging() { [ -n "${SVCBPF_VM:-}" ] || n_has_vlan; }

if t_is_slow && is_tagging; then
	tagged_tunnel
	t_done
fi
small_hop
n_down
small_link
n_down
tunnel
n_down
if is_tagging; then
	tagged
	n_down
fi
jumbo
n_down
jumbo_small_hop
t_done
