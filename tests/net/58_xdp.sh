#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# XDP on uplinks: what goes to a backend on the other node passes without the stack, and tc goes on
# with it where XDP is turned on and off in the middle.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

# pass NAME DEVICE - another XDP program on a device; sets pass_pid and pass_id.
pass() {
	local log
	log=$(mktemp -p "$T_DIR" pass.XXXXXX)
	setpriv --pdeathsig TERM -- nsenter --net="/run/netns/$1" -- "$T_TOOLS/xdppass" "$2" >"$log" 2>&1 &
	pass_pid=$!
	t_wait_line 20 "$log" '^ready' $! || t_bail "another XDP program on $2 of $1" "$(<"$log")"
	pass_id=$(sed -n 's/^ready //p' "$log")
}

# A veth leaves checksums to be filled in by who receives the packet, which XDP cannot know of: all
# senders compute theirs. What XDP sends back by a veth is taken by its other end if that has XDP too.
like_cards() {
	local place
	for place in client/eth0 edge/c0 edge/h0 router/h0 router/node1 router/node2 node1/eth0 node2/eth0 \
		node2/v-pod21 pod21/eth0; do
		n_on "${place%/*}" ethtool -K "${place#*/}" tx off >/dev/null
	done
	pass router node1
}

set_up() {
	n_up
	n_serve pod11
	n_serve pod21
	t_service near ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP,UDP backends="$(n_backends pod11)"
	t_service far ip=10.96.0.11,fd00:96::11 nodeport=30081 proto=TCP,UDP backends="$(n_backends pod21)"
}

restart() { # NODE1-OPTIONS
	[ -z "${n_agent_pid[node1]:-}" ] || n_stop node1
	n_start node1 "$@"
	n_sync
}

xdp_of() { # NODE DEVICE - how XDP is there, as status tells
	n_svcbpf "$1" status -o json | t_json "next(e['xdp'] for e in d['devices'] if e['name'] == '$2')" || :
}

on_device() { # NODE DEVICE - the same, as the kernel tells: none, native, generic
	local line
	line=$(ip -d -n "$1" link show "$2")
	case $line in
	*xdpgeneric*) echo generic ;;
	*xdp*) echo native ;;
	*) echo none ;;
	esac
}

n_sent() { n_counter node1 xdp_sent; }

# t_grew FACT BEFORE AFTER LEAST
t_grew() { t_ok "$1" [ $(($3 - $2)) -ge "$4" ]; }

traffic() { # MODE
	local before
	before=$(n_sent)
	n_reach "$1: backend on this node" client node1 30080 pod11 client
	t_is "$1: that is tc's" "$(n_sent)" "$before"
	n_reach "$1: backend on the other node" client node1 30081 pod21 node1
	n_transfer "$1: backend on the other node" client node1 30081 1000000
	# both ways, both families: at most 1,448 bytes in a packet
	t_grew "$1: XDP has sent the packets of both directions" "$before" "$(n_sent)" 2700
	t_ok "$1: the node answers ping" n_on client ping -c 2 -i 0.2 -W 5 "${n_ip4[node1]}"
}

modes() {
	restart --xdp native
	t_is "native: on the uplink" "$(on_device node1 eth0) $(xdp_of node1 eth0)" "native native"
	t_is "native: not where pods are" "$(on_device node1 cni0) $(on_device node1 v-pod11)" "none none"
	traffic native
	restart --xdp generic
	t_is "generic: on the uplink" "$(on_device node1 eth0) $(xdp_of node1 eth0)" "generic generic"
	traffic generic
	restart --xdp auto
	t_is "auto: native" "$(on_device node1 eth0) $(xdp_of node1 eth0)" "native native"
	t_like "... which the log tells" "$(<"$T_DIR/agent.log")" 'XDP on eth0: native'
	restart
	t_is "off: by default, and taken off" "$(on_device node1 eth0) $(xdp_of node1 eth0)" "none None"
}

# switched FACT OPTIONS - a transfer goes on while node1's agent is started anew with these options.
# To the backend: the sender's rate is what is limited. Sets n_grown, what XDP has sent of it.
switched() {
	local before data pid sum=$T_DIR/switched to=${n_ip4[node1]}:30081
	data=$(_n_data 4000000)
	n_on client curl -Ssgf -m 60 --limit-rate 600k -H Expect: -T "$data" "http://$to/" >"$sum" 2>&1 &
	pid=$!
	t_wait 10 n_has_flow || t_bail "the transfer begins"
	before=$(n_sent)
	restart "${@:2}"
	wait $pid || :
	t_is "$1" "$(<"$sum")" "$(sha256sum <"$data" | cut -d ' ' -f 1)"
	n_grown=$(($(n_sent) - before))
}

n_has_flow() { n_svcbpf node1 dump conntrack --state established | grep -q :30081; }

flows_go_on() {
	restart --xdp native
	switched "a transfer goes on when XDP is turned off in the middle" --xdp off
	t_is "... without it" "$(on_device node1 eth0)" none
	switched "and when it is turned on" --xdp native
	t_ok "... with it" [ "$n_grown" -gt 100 ]
	n_stop node1 KILL
	n_reach "an agent that was killed: XDP goes on" client node1 30081 pod21 node1
	t_is "... on its device" "$(on_device node1 eth0)" native
}

others() { # another program is there first
	restart --xdp off
	pass node1 eth0
	restart --xdp native
	t_like "another XDP program stays, and is told of" "$(n_svcbpf node1 status || :)" \
		"device eth0: another XDP program \(id $pass_id\) is on it"
	t_is "... no entry says that it is ours" "$(xdp_of node1 eth0)" None
	n_reach "... and packets take the way through tc" client node1 30081 pod21 node1
	kill $pass_pid
	wait $pass_pid || :
	restart --xdp native
	t_is "once it is gone, ours takes its place" "$(on_device node1 eth0)" native
	n_stop node1
	n_svcbpf node1 cleanup >/dev/null
	t_is "cleanup takes it off" "$(on_device node1 eth0)" none
	n_start node1 --devices eth0 --xdp native
	n_stop node1
	n_start node1 --devices cni0 --xdp native
	t_is "a device that is no longer meant has none" "$(on_device node1 eth0)" none
}

stacked() { # a VLAN on top: XDP would not see the tag that the card has taken off
	ip -n node1 link add link eth0 name upper0 type macvlan
	restart --xdp auto
	t_like "devices on top of one that takes VLAN tags off: no XDP, which the log tells" "$(<"$T_DIR/agent.log")" \
		'XDP on eth0: no XDP: it takes VLAN tags off'
	t_is "... so there is none" "$(on_device node1 eth0)" none
	n_reach "... and packets take the way through tc" client node1 30081 pod21 node1
	n_on node1 ethtool -K eth0 rxvlan off >/dev/null
	restart --xdp auto
	t_is "a card that leaves the tags alone has it" "$(on_device node1 eth0)" native
}

set_up
like_cards
n_start node2
modes
flows_go_on
others
stacked
t_done
