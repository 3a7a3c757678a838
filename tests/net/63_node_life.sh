#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A node whose network comes after the agent, one without IPv6 and one without IPv4, and a node whose
# addresses change while the agent runs.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"
unset T_DEVICES # they are what this is about

status() { n_svcbpf "$1" status "${@:2}" || :; } # NODE [OPTIONS]; it fails where something is wrong
devices() { # NODE - "NAME[*] IPV4 IPV6" of those that have packet programs; *: uplink
	status "$1" -o json | t_json "', '.join(sorted(
		f'{d[\"name\"]}{\"*\" if d[\"uplink\"] else \"\"} {d[\"address4\"]} {d[\"address6\"]}' for d in d['devices'] if d['ingress']))"
}
devices_are() { [ "$(devices "$1")" = "$2" ]; }
become() { # FACT NODE EXPECTED - devices, soon
	t_wait 10 devices_are "$2" "$3" || :
	t_is "$1" "$(devices "$2")" "$3"
}
is_well() { status "$1" | grep -q '^All is well'; }
well() { # FACT NODE
	t_wait 20 is_well "$2" || :
	t_like "$1" "$(status "$2" | head -n 5)" '^All is well'
}
reaches() { [[ $(n_http "$1" "http://$2/" -m 2) = "$3 "* ]]; }               # FROM ADDRESS:PORT BACKEND
is_silent() { [[ $(n_http "$1" "http://$2/" -m 2) = curl\ [0-9]* ]]; }        # FROM ADDRESS:PORT
sees() { [ "$(n_http client "http://$1/" -m 2)" = "$2 $3" ]; }               # ADDRESS:PORT BACKEND PEER
code() { n_on "$1" curl -sg --max-time 5 -o /dev/null -w '%{http_code}' "$2"; } # NODE URL
cgroup() { mkdir -p "$T_CGROUP/$1"; }

# connects NODE VIP:PORT - from a socket of that node, as t_name.
connects() { n_in "$1" "$1" "$T_TOOLS/connloop" -n 1 "$2" | _t_name_or_error; }
connects_to() { [ "$(connects "$1" "$2")" = "$3" ]; }

# The pod of such a node has addresses of its loopback.
early='' early4=10.244.5.1 early6=fd00:244:5::1
eval "_n_$(declare -f t_node_of)"
t_node_of() {
	case $1 in
	"$early4" | "$early6") echo "$early" ;;
	*) _n_t_node_of "$1" ;;
	esac
}

# --- nothing is there yet, not even loopback
# early_up NAME - a node as it is before anything has set up its network.
early_up() {
	early=$1
	ip netns add "$1"
	cgroup "$1"
}
early_up early
t_service web ip=10.96.0.10,fd00:96::10 nodeport=30080 backends=$early4,$early6
loopback_later() {
	t_wait 60 grep -q 'self-test failed' "$T_DIR/agent.log" && ip -n early link set lo up
}
loopback_later &
n_start early
t_like "no network at all, loopback is down: the log says why it is not ready" \
	"$(sed '/: ready$/q' "$T_DIR/agent.log")" 'self-test failed: .*: Network is unreachable \(is loopback up\?\)'
t_is "loopback comes: ready without a restart, and without a device" "$(devices early)" ""
ip -n early addr add "$early4/32" dev lo
ip -n early addr add "$early6/128" dev lo nodad
n_on early "$T_TOOLS/answer" "$early4:8080" "[$early6]:8080" >"$T_DIR/answer-early" 2>&1 &
t_wait_line 10 "$T_DIR/answer-early" '^ready' $! || t_bail "the pod of the early node serves"
t_ok "... Services work there" t_wait 10 connects_to early 10.96.0.10:80 "$early4:8080"
t_is "... by IPv6" "$(connects early '[fd00:96::10]:80')" "[$early6]:8080"
t_is "... NodePorts on 127.0.0.1" "$(connects early 127.0.0.1:30080)" "$early4:8080"

ip netns add far
ip -n early link add wait0 type veth peer name far0 netns far
become "a device that is down: not yet" early ""
ip -n early link set wait0 up
ip -n far link set far0 up
become "it is up, without an address: it borrows what the node has" early "wait0 $early4 $early6"
ip -n early addr add 172.19.0.11/24 dev wait0
ip -n far addr add 172.19.0.2/24 dev far0
become "it has an address, and no default route: no uplink" early "wait0 172.19.0.11 $early6"
ip -n early route add default via 172.19.0.2
become "a default route: it is the uplink" early "wait0* 172.19.0.11 $early6"
far() { n_on far "$T_TOOLS/connloop" -n 1 "$1" | _t_name_or_error; }
far_reaches() { [ "$(far "$1")" = "$2" ]; }
t_ok "... NodePorts answer from outside" t_wait 10 far_reaches 172.19.0.11:30080 "$early4:8080"
ip -n early addr add fd00:19::11/64 dev wait0 nodad
ip -n far addr add fd00:19::2/64 dev far0 nodad
become "an IPv6 address comes, there is no route yet" early "wait0* 172.19.0.11 fd00:19::11"
t_ok "... NodePorts answer there too" t_wait 10 far_reaches '[fd00:19::11]:30080' "[$early6]:8080"
ip -n early link set wait0 down
ip -n early link set wait0 name eth0
ip -n early link set eth0 up
become "it goes down, is renamed and comes back, without its route" early "eth0 172.19.0.11 $early6"
ip -n early route add default via 172.19.0.2
ip -n early addr replace fd00:19::11/64 dev eth0 nodad
become "the route is back" early "eth0* 172.19.0.11 fd00:19::11"
t_ok "... NodePorts answer" t_wait 10 far_reaches 172.19.0.11:30080 "$early4:8080"
n_on early sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
well "... status is well" early
n_stop early

# --- a node without IPv6, and one without IPv4
early_up four
n_on four sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1 \
	net.ipv4.ip_forward=1
ip -n four link set lo up
ip -n four addr add "$early4/32" dev lo
n_on four "$T_TOOLS/answer" "$early4:8080" >"$T_DIR/answer-four" 2>&1 &
t_wait_line 10 "$T_DIR/answer-four" '^ready' $! || t_bail "the pod of the IPv4 node serves"
t_service web ip=10.96.0.10,fd00:96::10 nodeport=30080 backends=$early4
n_start four --healthz-bind-address 0.0.0.0:10256 --metrics-bind-address 127.0.0.1:10249
t_is "no IPv6 on this host: a Service" "$(connects four 10.96.0.10:80)" "$early4:8080"
t_is "... NodePort" "$(connects four 127.0.0.1:30080)" "$early4:8080"
t_is "... /healthz" "$(code four http://127.0.0.1:10256/healthz)" 200
well "... status is well" four
n_stop four

early_up six
ip -n six link set lo up
ip -n six addr del 127.0.0.1/8 dev lo
ip -n six addr add "$early6/128" dev lo nodad
n_on six sysctl -qw net.ipv6.conf.all.forwarding=1
n_on six "$T_TOOLS/answer" "[$early6]:8080" >"$T_DIR/answer-six" 2>&1 &
t_wait_line 10 "$T_DIR/answer-six" '^ready' $! || t_bail "the pod of the IPv6 node serves"
t_service web ip=fd00:96::10 nodeport=30080 backends=$early6
n_start six --healthz-bind-address '[::]:10256' --metrics-bind-address '[::1]:10249'
t_is "no IPv4 on this host, not even 127.0.0.1: a Service" "$(connects six '[fd00:96::10]:80')" "[$early6]:8080"
t_is "... NodePort" "$(connects six '[::1]:30080')" "[$early6]:8080"
t_is "... /healthz" "$(code six 'http://[::1]:10256/healthz')" 200
t_is "... /metrics" "$(code six 'http://[::1]:10249/metrics')" 200
well "... status is well" six
n_stop six

# --- the node's addresses change
n_up
n_serve pod11
n_serve pod21
old4=${n_ip4[node1]} old6=${n_ip6[node1]} new4=172.18.0.31 new6=2001:db8:172::31

node_object() { # IPV4 IPV6
	n_ip4[node1]=$1 n_ip6[node1]=$2
	_n_node_object node1
}
# uplink_has IPV4 IPV6 - and no others
uplink_has() {
	ip -n node1 addr flush dev eth0 scope global
	_n_addr node1 eth0 "$1/24" "$2/64"
	_n_default node1 172.18.0.1 2001:db8:172::1 2>/dev/null || ip -n node1 -6 route replace default via 2001:db8:172::1
	n_on node1 ip route replace 10.244.2.0/24 via "${n_ip4[node2]}"
	n_on node1 ip -6 route replace fd00:244:2::/64 via "${n_ip6[node2]}"
	# the way of the replies, as the cluster's routes would follow
	ip -n node2 route replace 10.244.1.0/24 via "$1"
	ip -n node2 -6 route replace fd00:244:1::/64 via "$2"
	n_route 10.244.1.0/24 node1
	n_route fd00:244:1::/64 node1
}
t_service web ip=10.96.0.10,fd00:96::10 nodeport=30080 backends="$(n_backends pod11)"
t_service far ip=10.96.0.11,fd00:96::11 nodeport=30081 backends="$(n_backends pod21)"

# serves FACT IPV4 IPV6 - NodePorts answer on these; a backend elsewhere sees them as its client.
serves() {
	t_ok "$1: NodePort, IPv4" t_wait 10 reaches client "$2:30080" pod11
	t_ok "$1: NodePort, IPv6" t_wait 10 reaches client "[$3]:30080" pod11
	t_ok "$1: its source towards another node, IPv4" t_wait 10 sees "$2:30081" pod21 "$2"
	t_ok "$1: its source towards another node, IPv6" t_wait 10 sees "[$3]:30081" pod21 "$3"
	t_ok "$1: from this node itself" t_wait 10 connects_web "$2"
	t_like "$1: status" "$(devices node1)" "eth0\\* $2 $3(,|$)"
}
connects_web() { [ "$(n_in node1 node1 curl -sf -m 2 "http://$1:30080/" | cut -d ' ' -f 1)" = pod11 ]; }
serves_no_more() { # FACT IPV4 IPV6
	t_ok "$1: the old address, IPv4" t_wait 10 is_silent client "$2:30080"
	t_ok "$1: the old address, IPv6" t_wait 10 is_silent client "[$3]:30080"
}

for choice in "" primary 172.18.0.0/24,2001:db8:172::/64; do
	name=${choice:-default}
	node_object "$old4" "$old6"
	uplink_has "$old4" "$old6"
	n_start node1 ${choice:+--nodeport-addresses "$choice"}
	n_sync
	serves "$name, before" "$old4" "$old6"
	n_ip4[node1]=$new4 n_ip6[node1]=$new6
	uplink_has "$new4" "$new6" # DHCP first, the kubelet later
	if [ "$choice" = primary ]; then
		t_ok "$name: the Node object still names the old address: the new one does not answer" is_silent client "$new4:30080"
	else
		t_ok "$name: the new address answers before the Node object tells" t_wait 10 reaches client "$new4:30080" pod11
	fi
	serves_no_more "$name" "$old4" "$old6"
	node_object "$new4" "$new6"
	serves "$name, both changed" "$new4" "$new6"
	well "$name: the self-test agrees" node1
	# the Node object first
	node_object "$old4" "$old6"
	t_pause 1
	[ "$choice" != primary ] || t_ok "$name: the Node object goes first: the device's address does not answer" \
		t_wait 10 is_silent client "$new4:30080"
	uplink_has "$old4" "$old6"
	serves "$name, changed back" "$old4" "$old6"
	n_stop node1
done
t_done
