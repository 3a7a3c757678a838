#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whatever comes as packets reaches a backend, here or on the other node: NodePort, ClusterIP,
# externalIP, load balancer IP; from outside, from nodes and from pods.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

near_ip=10.96.0.10,fd00:96::10 far_ip=10.96.0.11,fd00:96::11
near_external=198.51.100.7,2001:db8:7::7 far_external=198.51.100.8,2001:db8:7::8
near_lb=203.0.113.9,2001:db8:9::9 far_lb=203.0.113.10,2001:db8:9::10

set_up() { # N_UP-OPTIONS: Services "near" on node1, "far" on node2; routed to node1
	local name route
	n_up "$@"
	for route in 10.96.0.0/16 fd00:96::/112 198.51.100.0/24 2001:db8:7::/64 203.0.113.0/24 2001:db8:9::/64; do
		n_route $route node1
	done
	for name in pod11 pod21; do n_serve $name; done
	n_serve node1 9090
	n_serve node2 9090
	t_service near ip=$near_ip external=$near_external lb=$near_lb nodeport=30080 proto=TCP,UDP \
		backends="$(n_backends pod11)"
	t_service far ip=$far_ip external=$far_external lb=$far_lb nodeport=30081 proto=TCP,UDP \
		backends="$(n_backends pod21)"
	t_service near-host ip=10.96.0.12,fd00:96::12 target=9090 nodeport=30082 proto=TCP,UDP \
		backends="$(n_backends node1)"
	t_service far-host ip=10.96.0.13,fd00:96::13 target=9090 nodeport=30083 proto=TCP,UDP \
		backends="$(n_backends node2)"
	n_start node1
	n_start node2
	n_sync
}

# What holds in every shape of the network. SNAT: whose address a backend on node2 sees.
node_ports() { # SHAPE SNAT
	n_reach "$1: NodePort, backend here: the client's address is kept" client node1 30080 pod11 client
	n_reach "$1: NodePort, backend on the other node: this node's address" client node1 30081 pod21 "$2"
	n_reach "$1: NodePort of the other node, backend there" client node2 30081 pod21 client
	n_reach "$1: NodePort, host-network backend here" client node1 30082 node1 client
	n_reach "$1: NodePort, host-network backend there" client node1 30083 node2 node1
	n_reach "$1: from a pod of the other node" pod22 node1 30080 pod11 pod22
	n_reach "$1: from a pod of the other node, and back there" pod22 node1 30081 pod21 "$2"
	n_reach "$1: from the other node" node2 node1 30080 pod11 -
	n_reach "$1: from the other node, and back there" node2 node1 30081 pod21 "$2"
	n_transfer "$1: NodePort, backend here" client node1 30080 "$(t_scaled 4000000)"
	n_transfer "$1: NodePort, backend on the other node" client node1 30081 "$(t_scaled 4000000)"
}

vips() {
	n_reach "ClusterIP from outside, backend here" client $near_ip 80 pod11 client
	n_reach "ClusterIP from outside, backend on the other node" client $far_ip 80 pod21 node1
	n_reach "externalIP, backend here" client $near_external 80 pod11 client
	n_reach "externalIP, backend on the other node" client $far_external 80 pod21 node1
	n_reach "load balancer IP, backend here" client $near_lb 80 pod11 client
	n_reach "load balancer IP, backend on the other node" client $far_lb 80 pod21 node1
	two_doors "one client port, two frontends, backend here" 30080 $near_ip pod11
	two_doors "one client port, two frontends, host-network backend here" 30082 10.96.0.12,fd00:96::12 node1
	two_doors "one client port, two frontends, backend on the other node" 30081 $far_ip pod21
}

# two_doors FACT NODEPORT IPV4,IPV6 BACKEND: one port of the client asks one backend through a
# NodePort and a ClusterIP, at the same time: replies to both have to be told apart.
two_doors() {
	local family doors
	for family in 4 6; do
		doors=("$(n_bracket "$(n_host node1 $family)"):$2" "$(n_bracket "$(n_host "$3" $family)"):80")
		t_is "$1, UDP, IPv$family" "$(for door in "${doors[@]}"; do
			n_udp client "$door" -p 42000 | cut -d ' ' -f 1
		done)" "$4"$'\n'"$4"
		t_is "$1, TCP, IPv$family" "$(n_on client python3 -IS -c 'import socket, sys
def dial(host, port):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(10)
    sock.bind(("", 42001))
    sock.connect((host.strip("[]"), int(port)))
    return sock
socks = [dial(*door.rsplit(":", 1)) for door in sys.argv[1:]]
for sock in socks:
    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
for sock in socks:
    print(sock.makefile().read().split("\n\n")[1].split()[0])' "${doors[@]}" 2>&1)" "$4"$'\n'"$4"
	done
}

past_sockets() { # clients the socket programs do not see
	n_reach "a pod's packets to a ClusterIP: same bridge" pod12 $near_ip 80 pod11 pod12
	n_reach "a pod's packets to a ClusterIP: other node" pod12 $far_ip 80 pod21 pod12
	n_reach "a pod's packets to a NodePort of its node" pod12 node1 30080 pod11 pod12
	n_reach "a pod's packets to a NodePort of its node, backend on the other" pod12 node1 30081 pod21 pod12
	n_reach "a pod's packets to a load balancer IP" pod12 $far_lb 80 pod21 pod12
	n_reach "the node's own packets to a ClusterIP: a pod here" node1 $near_ip 80 pod11 -
	n_reach "the node's own packets to a ClusterIP: a pod on the other node" node1 $far_ip 80 pod21 node1
	t_is "a pod's socket inside the cgroup is translated before it sends" \
		"$(n_in node1 pod12 curl -sg -m 10 http://10.96.0.11/)" "pod21 ${n_ip4[pod12]}"
}

iperf() { # FACT HOST PORT [IPERF OPTIONS]
	local log status=0
	log=$(n_on client timeout 60 iperf3 -c "$2" -p "$3" -n 8M "${@:4}" 2>&1) || status=$?
	t_is "$1" "$status" 0
	[ $status = 0 ] || t_diag "$log"
}

strangers() { # programs that nobody here wrote
	local family host
	t_service perf ip=10.96.0.20,fd00:96::20 port=5201 target=5201 nodeport=30201 proto=TCP,UDP \
		backends="$(n_backends pod21)"
	n_sync
	n_on pod21 setpriv --pdeathsig TERM -- iperf3 -s --forceflush >"$T_DIR/iperf.log" 2>&1 &
	t_wait 20 grep -q listening "$T_DIR/iperf.log" || t_bail "iperf3 serves"
	for family in 4 6; do
		host=$(n_host node1 $family)
		iperf "iperf3 to a backend on the other node, IPv$family" "$host" 30201
		iperf "... and back" "$host" 30201 -R
		iperf "... four streams" "$host" 30201 -P 4
		iperf "... UDP" "$host" 30201 -u -b 50M
		t_ok "the node still answers ping, IPv$family" n_on client ping -c 3 -i 0.2 -W 5 "$host"
		t_ok "so does a pod" n_on client ping -c 3 -i 0.2 -W 5 "$(n_host pod21 $family)"
	done
	n_reach "a backend asked directly is as it was" client pod11 8080 pod11 client
}

set_up
node_ports "nodes side by side" node1
past_sockets
# other frontends, shapes and more bytes ask the kernel for nothing more; 51_mtu.sh has a tunnel
! t_is_slow || t_done
vips
strangers
n_down
set_up shape=routed
node_ports "a router between the nodes" node1
n_down
set_up overlay=vxlan
node_ports "pods behind a tunnel" tunnel1
t_done
