# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A small network for the packet path: "." it after lib.sh, then n_up. All of it are namespaces of
# the script's own, which end with it; there is no route out.
#
#        192.0.2.0/24          198.18.0.0/24          172.18.0.0/24
#        2001:db8:2::/64       2001:db8:18::/64       2001:db8:172::/64
#  client ──────────── edge ──────────────── router ──┬── node1 ── cni0 ──┬── pod11
#  .2 .3 .4          .1    .1     HOP      .2      .1 │   .11             └── pod12
#                                                     └── node2 ── cni0 ──┬── pod21
#                                                         .12             └── pod22
#
# Pods of node N have 10.244.N.0/24 and fd00:244:N::/64; pod12 is 10.244.1.12 and fd00:244:1::12.
# The VIPs n_route gives are routed to a node by the router.
#
# n_up KEY=VALUE...
#   lan=MTU       of the nodes' uplinks and the pods (1500)     client=MTU   of the client's link (1500)
#   hop=MTU       between edge and router (1500)                pod=MTU      of cni0 and the pods (LAN,
#                                                                            less 50 with a tunnel)
#   between=MTU   of node2's link, as the router and node2 see it (LAN); only with shape=routed
#   shape=bridged nodes are neighbours (default); shape=routed: each has a link of its own to the router,
#                 172.18.N.0/24 and 2001:db8:172:N::/64
#   overlay=vxlan pods of the other node are reached through a tunnel
#   vlan=ID       the uplink is tagged
#
# n_ip4[NAME], n_ip6[NAME]: addresses of client, node1, node2 and the pods. n_uplink[NODE]: its uplink.

declare -A n_ip4 n_ip6 n_uplink n_agent_pid n_server_pids
n_nodes=(node1 node2)
n_pods=(pod11 pod12 pod21 pod22)

# n_on NAME COMMAND... - in a namespace, outside every cgroup that an agent works on: what such a
# client sends is seen by the packet path alone.
n_on() {
	local name=$1
	shift
	nsenter --net="/run/netns/$name" -- "$@"
}

# n_in NODE NAME COMMAND... - the same inside the cgroup of that node's agent.
n_in() (
	echo 0 >"$T_CGROUP/$1/cgroup.procs"
	exec nsenter --net="/run/netns/$2" -- "${@:3}"
)

# ------------------------------------------------------------------ building

_n_sysctls='net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.forwarding=1
net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.icmp_ratelimit=0
net.ipv6.icmp.ratelimit=0 net.ipv4.ip_local_port_range=32768\t60999'

_n_namespace() { # NAME
	local setting value
	ip netns add "$1"
	ip -n "$1" link set lo up
	# shellcheck disable=SC2016 # for the inner shell
	for setting in $_n_sysctls; do
		value=${setting#*=}
		setting=${setting%%=*}
		echo "/proc/sys/${setting//.//} $value"
	done | n_on "$1" bash -c 'while read -r path value; do printf "%b" "$value" >"$path"; done'
}

# _n_link MTU NAME DEVICE NAME DEVICE - a veth pair, up.
_n_link() {
	ip -n "$2" link add "$3" mtu "$1" type veth peer name "$5" mtu "$1" netns "$4"
	ip -n "$2" link set "$3" up
	ip -n "$4" link set "$5" up
}

# _n_addr NAME DEVICE ADDRESS/LEN...
_n_addr() {
	local address name=$1 device=$2
	for address in "${@:3}"; do
		case $address in
		*:*) ip -n "$name" addr add "$address" dev "$device" nodad ;;
		*) ip -n "$name" addr add "$address" dev "$device" ;;
		esac
	done
}

# _n_default NAME GATEWAY4 GATEWAY6
_n_default() {
	ip -n "$1" route add default via "$2"
	ip -n "$1" -6 route add default via "$3"
}

_n_outside() { # the client and the way to the router
	_n_link "$client" client eth0 edge c0
	_n_addr client eth0 192.0.2.{2,3,4}/24 2001:db8:2::2/64
	# deprecated: only who asks for it sends from it
	ip -n client addr add 2001:db8:2::3/64 dev eth0 nodad preferred_lft 0
	ip -n client addr add 2001:db8:2::4/64 dev eth0 nodad preferred_lft 0
	_n_addr edge c0 192.0.2.1/24 2001:db8:2::1/64
	_n_link "$hop" edge h0 router h0
	_n_addr edge h0 198.18.0.1/24 2001:db8:18::1/64
	_n_addr router h0 198.18.0.2/24 2001:db8:18::2/64
	_n_default client 192.0.2.1 2001:db8:2::1
	_n_default edge 198.18.0.2 2001:db8:18::2
	ip -n router route add 192.0.2.0/24 via 198.18.0.1
	ip -n router -6 route add 2001:db8:2::/64 via 2001:db8:18::1
	n_ip4[client]=192.0.2.2 n_ip6[client]=2001:db8:2::2
}

# The device of $1 that carries $2's traffic: the VLAN's where the uplink is tagged.
_n_tagged() { # NAME DEVICE
	[ -n "$vlan" ] || { echo "$2" && return; }
	ip -n "$1" link add link "$2" name "$2.$vlan" type vlan id "$vlan"
	ip -n "$1" link set "$2.$vlan" up
	echo "$2.$vlan"
}

_n_uplink() { # NODE NUMBER
	local device net4=172.18.0 net6=2001:db8:172: mtu=$lan
	[ "$shape" = bridged ] || net4=172.18.$2 net6=2001:db8:172:$2:
	[ "$1" != node2 ] || mtu=${between:-$lan}
	_n_link "$mtu" "$1" eth0 router "$1"
	n_uplink[$1]=$(_n_tagged "$1" eth0)
	device=$(_n_tagged router "$1")
	if [ "$shape" = bridged ]; then
		ip -n router link set "$device" master lan
	else
		_n_addr router "$device" "$net4.1/24" "${net6}:1/64"
	fi
	n_ip4[$1]=$net4.1$2 n_ip6[$1]=$net6:1$2
	_n_addr "$1" "${n_uplink[$1]}" "${n_ip4[$1]}/24" "${n_ip6[$1]}/64"
	_n_default "$1" "$net4.1" "$net6:1"
}

_n_pods() { # NODE NUMBER
	local name
	# an address of its own, as CNI plugins set it: else it changes with the ports, and pods' neighbour
	# entries are wrong for a while
	ip -n "$1" link add cni0 address "02:00:00:00:01:0$2" mtu "$pod" type bridge
	_n_addr "$1" cni0 "10.244.$2.1/24" "fd00:244:$2::1/64"
	ip -n "$1" link set cni0 up
	for name in "${n_pods[@]}"; do
		[[ $name = pod$2* ]] || continue
		n_ip4[$name]=10.244.$2.${name#pod} n_ip6[$name]=fd00:244:$2::${name#pod}
		_n_link "$pod" "$name" eth0 "$1" "v-$name"
		ip -n "$1" link set "v-$name" master cni0
		_n_addr "$name" eth0 "${n_ip4[$name]}/24" "${n_ip6[$name]}/64"
		_n_default "$name" "10.244.$2.1" "fd00:244:$2::1"
	done
}

# n_has_vlan - whether vlan=ID can be had from this kernel
n_has_vlan() {
	ip link add vlan-probe type veth peer name vlan-peer
	ip link add link vlan-probe name vlan-tagged type vlan id 100 2>/dev/null
	local status=$?
	ip link del vlan-probe
	return $status
}

# n_route PREFIX NODE... - the router sends that to the node; to one of several by its hash.
n_route() {
	local node prefix=$1 family=4 hops=()
	[[ $1 != *:* ]] || family=6
	for node in "${@:2}"; do
		[ $family = 4 ] && hops+=(nexthop via "${n_ip4[$node]}") || hops+=(nexthop via "${n_ip6[$node]}")
	done
	ip -n router -$family route replace "$prefix" "${hops[@]}"
}

_n_tunnel() { # NODE NUMBER: a vxlan device as flannel makes it
	ip -n "$1" link add vx0 address "02:00:00:00:00:0$2" mtu $((lan - 50)) type vxlan id 42 \
		dstport 4789 local "${n_ip4[$1]}" nolearning
	_n_addr "$1" vx0 "10.244.$2.254/32" "fd00:244:$2::fe/128"
	ip -n "$1" link set vx0 up
	n_ip4[tunnel$2]=10.244.$2.254 n_ip6[tunnel$2]=fd00:244:$2::fe
}

_n_through_tunnel() { # NODE NUMBER OTHER NUMBER-OF-OTHER
	local mac=02:00:00:00:00:0$4
	bridge -n "$1" fdb append "$mac" dev vx0 dst "${n_ip4[$3]}"
	ip -n "$1" neigh add "10.244.$4.254" lladdr "$mac" dev vx0
	ip -n "$1" -6 neigh add "fd00:244:$4::fe" lladdr "$mac" dev vx0
	ip -n "$1" route add "10.244.$4.0/24" via "10.244.$4.254" dev vx0 onlink
	ip -n "$1" -6 route add "fd00:244:$4::/64" via "fd00:244:$4::fe" dev vx0 onlink
}

_n_pod_routes() { # NODE NUMBER OTHER NUMBER-OF-OTHER
	if [ "$overlay" = vxlan ]; then
		_n_through_tunnel "$@"
	elif [ "$shape" = bridged ]; then
		ip -n "$1" route add "10.244.$4.0/24" via "${n_ip4[$3]}"
		ip -n "$1" -6 route add "fd00:244:$4::/64" via "${n_ip6[$3]}"
	fi
	n_route "10.244.$2.0/24" "$1"
	n_route "fd00:244:$2::/64" "$1"
}

_n_node_object() { # NODE
	cat <<-YAML >"$T_MANIFESTS/$1.yaml"
		apiVersion: v1
		kind: Node
		metadata: {name: $1}
		status:
		  addresses:
		  - {type: InternalIP, address: "${n_ip4[$1]}"}
		  - {type: InternalIP, address: "${n_ip6[$1]}"}
	YAML
}

n_up() {
	local lan=1500 client=1500 hop=1500 pod='' between='' shape=bridged overlay='' vlan='' setting name
	for setting; do local "$setting"; done
	[ -n "$pod" ] || pod=$((lan - (${#overlay} ? 50 : 0)))
	for name in client edge router "${n_nodes[@]}" "${n_pods[@]}"; do _n_namespace "$name"; done
	_n_outside
	if [ "$shape" = bridged ]; then
		ip -n router link add lan type bridge
		_n_addr router lan 172.18.0.1/24 2001:db8:172::1/64
		ip -n router link set lan up
	fi
	_n_uplink node1 1
	_n_uplink node2 2
	_n_pods node1 1
	_n_pods node2 2
	if [ -n "$overlay" ]; then
		_n_tunnel node1 1
		_n_tunnel node2 2
	fi
	_n_pod_routes node1 1 node2 2
	_n_pod_routes node2 2 node1 1
	_n_node_object node1
	_n_node_object node2
	mkdir -p "$T_CGROUP/node1" "$T_CGROUP/node2"
}

# n_down - end servers and agents, take everything away: the next n_up begins anew.
n_down() {
	local name
	for name in "${!n_agent_pid[@]}"; do
		n_stop "$name"
		n_svcbpf "$name" cleanup >/dev/null
	done
	kill "${!n_server_pids[@]}" 2>/dev/null || :
	wait "${!n_server_pids[@]}" 2>/dev/null || :
	n_server_pids=()
	for name in client edge router "${n_nodes[@]}" "${n_pods[@]}"; do ip netns del "$name"; done
	rm -f "$T_MANIFESTS"/*
}

# Backends are on the node whose pods have such addresses.
t_node_of() {
	local name
	for name in "${n_nodes[@]}"; do
		if [ "$1" = "${n_ip4[$name]:-}" ] || [ "$1" = "${n_ip6[$name]:-}" ]; then
			echo "$name"
			return
		fi
	done
	case $1 in
	10.244.1.* | fd00:244:1::*) echo node1 ;;
	*) echo node2 ;;
	esac
}

# ------------------------------------------------------------------ servers

# n_serve NAME [PORT [OPTIONS]] - tests/net/serve.py in that namespace: HTTP and UDP, on its addresses.
# Sets n_server_pid.
n_serve() {
	local log port=${2:-8080}
	log=$(mktemp -p "$T_DIR" serve.XXXXXX)
	setpriv --pdeathsig TERM -- nsenter --net="/run/netns/$1" -- python3 -IS "$T_ROOT/tests/net/serve.py" \
		"${@:3}" "$1" "${n_ip4[$1]}:$port" "[${n_ip6[$1]}]:$port" >"$log" 2>&1 &
	# shellcheck disable=SC2034 # read by the scripts
	n_server_pid=$!
	n_server_pids[$!]=$1
	t_wait_line 20 "$log" '^ready' $! || t_bail "$1 serves: $(<"$log")"
}

# n_backends POD... - their addresses of both families, as t_service wants them.
n_backends() {
	local name list=''
	for name; do list+=,${n_ip4[$name]},${n_ip6[$name]}; done
	echo "${list#,}"
}

# ------------------------------------------------------------------ clients

# n_http NAME URL [CURL OPTIONS] - what the backend says: "BACKEND CLIENT-ADDRESS"; "curl N" for an
# error. The client is outside the agents' cgroups.
n_http() {
	local answer status=0
	answer=$(n_on "$1" curl -sgf -m 10 "${@:3}" "$2") || status=$?
	[ $status = 0 ] && echo "$answer" || echo "curl $status"
}

# n_udp NAME ADDRESS:PORT [UDPASK OPTIONS] - the same by UDP; an error is shown by its name.
n_udp() { n_on "$1" "$T_TOOLS/udpask" "${@:3}" "$2" || :; }

# n_bracket ADDRESS - as it stands before a port
n_bracket() { [[ $1 = *:* ]] && echo "[$1]" || echo "$1"; }

# n_host NAME|IPV4,IPV6 4|6 - one of the two addresses
n_host() {
	case $1$2 in
	*,*4) echo "${1%,*}" ;;
	*,*6) echo "${1#*,}" ;;
	*4) echo "${n_ip4[$1]}" ;;
	*) echo "${n_ip6[$1]}" ;;
	esac
}

# n_reach FACT FROM HOST PORT BACKEND PEER - by TCP and UDP, IPv4 and IPv6, BACKEND answers and sees
# PEER as its client. HOST, PEER: names or "IPV4,IPV6"; PEER "-": any.
n_reach() {
	local family to peer
	for family in 4 6; do
		to=$(n_bracket "$(n_host "$3" $family)"):$4
		[ "$6" = - ] && peer='[^ ]+' || peer=$(n_host "$6" $family)
		t_like "$1, TCP, IPv$family" "$(n_http "$2" "http://$to/")" "^$5 $peer\$"
		t_like "$1, UDP, IPv$family" "$(n_udp "$2" "$to")" "^$5 $peer\$"
	done
}

# Where so many bytes lie, those that serve.py has too.
_n_data() { # BYTES
	[ -f "$T_DIR/data.$1" ] || python3 -IS -c "import hashlib, sys
sys.stdout.buffer.write(hashlib.shake_128(b'svcbpf').digest($1))" >"$T_DIR/data.$1"
	echo "$T_DIR/data.$1"
}

# n_download FACT FROM ADDRESS:PORT BYTES [CURL OPTIONS] - so many bytes arrive at the client, unchanged.
n_download() {
	t_is "$1, $4 bytes to the client" \
		"$(n_on "$2" curl -sgf -m 30 "${@:5}" "http://$3/bytes/$4" | sha256sum)" "$(sha256sum <"$(_n_data "$4")")"
}

# n_upload FACT FROM ADDRESS:PORT BYTES [CURL OPTIONS] - the same from the client to the backend.
n_upload() {
	t_is "$1, $4 bytes to the backend" \
		"$(n_on "$2" curl -sgf -m 30 -H Expect: "${@:5}" -T "$(_n_data "$4")" "http://$3/" || :)  -" \
		"$(sha256sum <"$(_n_data "$4")")"
}

# n_transfer FACT FROM HOST PORT BYTES [CURL OPTIONS] - both, in both families.
n_transfer() {
	local family to
	for family in 4 6; do
		to=$(n_bracket "$(n_host "$3" $family)"):$4
		n_upload "$1, IPv$family" "$2" "$to" "${@:5}"
		n_download "$1, IPv$family" "$2" "$to" "${@:5}"
	done
}

# n_forget - the path MTUs that the client and the pods have learned
n_forget() {
	local name
	for name in client "${n_pods[@]}"; do
		ip -n "$name" route flush cache
		ip -n "$name" -6 route flush cache
	done
}

# n_learned NAME HOST 4|6 - the path MTU it has learned towards the other; 0: none
n_learned() {
	ip -n "$1" "-$3" route get "$(n_host "$2" "$3")" | grep -Eo '\bmtu [0-9]+' | cut -d ' ' -f 2 | grep . || echo 0
}

# ------------------------------------------------------------------ agents

# n_start NODE [OPTIONS] - an agent in the node's network namespace; waits until it is ready.
n_start() {
	local node=$1 ready=$T_DIR/ready.$1.$RANDOM
	: >"$ready"
	nsenter --net="/run/netns/$node" -- "$SVCBPF" run --manifests "$T_MANIFESTS" --node-name "$node" \
		--cgroup "$T_CGROUP/$node" --pin-dir "$T_DIR/bpf/$node" --healthz-bind-address= \
		--metrics-bind-address= --ready-fd 9 "${@:2}" >>"$T_DIR/agent.log" 2>&1 9>"$ready" &
	n_agent_pid[$node]=$!
	t_wait_line 60 "$ready" . $! || t_bail "svcbpf run becomes ready on $node"
}

# n_stop NODE [SIGNAL]
n_stop() {
	kill "-${2:-TERM}" "${n_agent_pid[$1]}" 2>/dev/null || :
	wait "${n_agent_pid[$1]}" 2>/dev/null || :
	unset "n_agent_pid[$1]"
}

n_svcbpf() { # NODE COMMAND [OPTIONS] - of that node's agent
	n_on "$1" "$SVCBPF" "$2" --pin-dir "$T_DIR/bpf/$1" "${@:3}"
}

_n_is_synced() {
	cmp -s <("$SVCBPF" plan --manifests "$T_MANIFESTS" --node-name "$1" -o json) <(n_svcbpf "$1" dump -o json)
}

# n_sync - wait until the kernel holds what the manifests ask for, for each agent that runs.
n_sync() {
	local node
	for node in "${!n_agent_pid[@]}"; do
		t_wait 20 _n_is_synced "$node" || t_bail "$node holds what the manifests ask for" \
			"$(diff <("$SVCBPF" plan --manifests "$T_MANIFESTS" --node-name "$node" -o json 2>&1) \
				<(n_svcbpf "$node" dump -o json 2>&1) | head -n 40)"
	done
}

# n_counter NODE NAME - the value of a counter of the datapath.
n_counter() {
	n_svcbpf "$1" dump stats -o json | t_json "next(c['value'] for c in d['counters'] if c['name'] == '$2')"
}
