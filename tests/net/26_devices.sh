#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The packet programs are on the devices they are meant for, follow them, and leave nothing behind.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
unset T_DEVICES # those are what this is about

# t_status - for programs; it fails where something is wrong, which is no failure here.
t_status() { "$SVCBPF" status --pin-dir "$T_PINS" -o json || :; }

# t_devices - "NAME:HOOK:uplink" of each device that has both programs, as status tells.
t_devices() {
	t_status | t_json "' '.join(sorted(
		f'{d[\"name\"]}:{d[\"ingress\"]}' + (':uplink' if d['uplink'] else '')
		for d in d['devices'] if d['ingress'] and d['ingress'] == d['egress']))"
}

t_devices_are() { [ "$(t_devices)" = "$1" ]; }

# t_become FACT EXPECTED - t_devices, soon.
t_become() {
	t_wait 10 t_devices_are "$2" || :
	t_is "$1" "$(t_devices)" "$2"
}

t_reasons() { t_status | t_json "'\n'.join(d['reasons'] + d['problems'])"; }

# t_programs DEVICE - the ids of our programs there; without TCX those in its filters.
t_programs() {
	t_status | t_json "' '.join(
		f'{d[\"ingressProgramId\"]} {d[\"egressProgramId\"]}' for d in d['devices'] if d['name'] == '$1')"
}

t_has_no_reasons() { [ -z "$(t_reasons)" ]; }

t_qdiscs() { tc qdisc show | grep -c clsact || :; }

t_filters() { tc filter show dev "$1" ingress | grep -c 'ingress_l[23]' || :; }

# What --tc-attach auto comes to here.
t_hook() {
	t_status |
		t_json "'tcx' if [f for f in d['features'] if f['name'] == 'tcx'][0]['present'] else 'clsact'"
}

echo 1 >/proc/sys/net/ipv4/ip_forward
ip link add eth0 type veth peer name far0
ip addr add 192.0.2.1/24 dev eth0
ip link set eth0 up
ip route add default via 192.0.2.254
ip link add cni0 type bridge
ip addr add 10.244.0.1/24 dev cni0
ip link set cni0 up
t_service web ip=10.96.0.10 backends=10.0.0.1

t_start_agent
hook=$(t_hook)
t_become "auto: the devices that are up" "cni0:$hook eth0:$hook:uplink"
t_like "the log says so" "$(cat "$T_DIR/agent.log")" 'packet path on 2 devices; 1 uplink: eth0'
t_is "status has no complaint" "$(t_reasons)" ""

t_pod pod1 10.244.0.7 fd00:244::7
elsewhere() { nsenter --net=/run/netns/pod1 -- "$SVCBPF" status --pin-dir "$T_PINS" "$@" || :; }
t_become "a pod's device is followed" "cni0:$hook eth0:$hook:uplink n-pod1:$hook"
t_like "status in another network namespace says so" "$(elsewhere)" \
	"^devices +3, in the agent's network namespace, which is not this one: not checked"
t_is "and takes no device there for one of the agent's" \
	"$(elsewhere -o json | t_json "d['reasons'], d['devicesVisible'], {x['name'] for x in d['devices']}")" \
	"[] False {None}"
ip link set n-pod1 down
ip link set n-pod1 name renamed
ip link set renamed up
t_become "so is its new name" "cni0:$hook eth0:$hook:uplink renamed:$hook"
ip link del renamed
t_become "and its end" "cni0:$hook eth0:$hook:uplink"
ip route del default
t_become "an uplink is one as long as it has the default route" "cni0:$hook eth0:$hook"
ip route add default via 192.0.2.254
t_become "and again" "cni0:$hook eth0:$hook:uplink"

before=$(t_programs eth0)
t_stop_agent KILL
ip link add late type veth peer name late0
ip link set late up
ip link del cni0
t_start_agent
t_become "after a restart those there are now have them" "eth0:$hook:uplink late:$hook"
t_ok "a new agent's programs are in place of the old ones" [ "$before" != "$(t_programs eth0)" ]
t_is "a device that is gone has left no record" "$(find "$T_PINS/links" -name '*-[0-9]*' | wc -l)" \
	"$([ "$hook" = tcx ] && echo 4 || echo 6)"
t_stop_agent

t_start_agent --tc-attach clsact
t_become "clsact filters, when asked for" "eth0:clsact:uplink late:clsact"
t_is "one filter of ours a side" "$(t_filters eth0)" 1
tc qdisc add dev far0 clsact
tc qdisc del dev late clsact
t_like "status tells what others have removed" "$(t_reasons)" \
	'device late: no packet program at ingress and egress; the agent attaches it again'
ip link set far0 up
t_become "which comes back with the next change" "eth0:clsact:uplink far0:clsact late:clsact"
ip link set far0 down
t_stop_agent

t_start_agent --devices 'eth*,nosuch' --uplinks late
t_become "only devices of the list" "eth0:$hook"
t_like "one that is not there is a problem" "$(t_reasons)" 'device nosuch: named by --devices, and not there'
ip link add nosuch type veth peer name nosuch0
ip link set nosuch up
t_become "until it is there" "eth0:$hook nosuch:$hook"
t_wait 10 t_has_no_reasons || :
t_is "and no problem any more" "$(t_reasons)" ""
t_stop_agent

# More devices than one turn of the event loop has time for.
many() { seq 30 | sed 's/.*/link add many& type veth peer name peer& netns pod1\nlink set many& up/'; }
many | ip -batch -
: >"$T_DIR/agent.log"
t_start_agent --devices 'eth0,many*'
t_is "uplinks have their programs when it is ready" "$(t_devices | grep -o "eth0:$hook:uplink")" "eth0:$hook:uplink"
all_are_served() { [ "$(t_devices | wc -w)" = 31 ]; }
t_ok "the others get them soon" t_wait 30 all_are_served
t_wait_line 10 "$T_DIR/agent.log" 'packet path on 31 devices' "$t_agent_pid" || :
[ "$hook" != tcx ] || t_is "it was ready before" \
	"$(sed -nE 's/.*info: (ready|packet path on).*/\1/p' "$T_DIR/agent.log" | tr '\n' ' ')" "ready packet path on "
t_stop_agent
seq 30 | sed 's/^/link del many/' | ip -batch -

: >"$T_DIR/agent.log"
t_start_agent --devices none
t_like "none: the log says so" "$(cat "$T_DIR/agent.log")" 'packet path off'
t_become "none: what an earlier run has attached is gone" ""
t_is "its records too" "$(find "$T_PINS/links" -name '*-[0-9]*' | wc -l)" 0
t_ok "its maps too" [ ! -e "$T_PINS"/maps-*/devices ]
t_stop_agent

# Beside another agent, with filters, on the same device.
t_start_agent --tc-attach clsact
first=$t_agent_pid first_pins=$T_PINS
T_PINS=$T_DIR/bpf/other
t_start_agent --tc-attach clsact
t_become "a second agent has its own filters" "eth0:clsact:uplink late:clsact nosuch:clsact"
t_is "beside the first one's" "$(t_filters eth0)" 2
t_stop_agent
t_ok "cleanup of the second" "$SVCBPF" cleanup --pin-dir "$T_PINS"
T_PINS=$first_pins
t_become "leaves the first" "eth0:clsact:uplink late:clsact nosuch:clsact"
t_agent_pid=$first
t_stop_agent
ip link del late
t_like "cleanup from another network namespace, where filters are not reached, says so" \
	"$(nsenter --net=/run/netns/pod1 -- "$SVCBPF" cleanup --pin-dir "$T_PINS" 2>&1 || :)" \
	'tc filters are in another network namespace'
t_is "and removes nothing" "$(t_filters eth0)" 1
t_ok "cleanup without an agent, with a device gone" "$SVCBPF" cleanup --pin-dir "$T_PINS"
t_ok "leaves no pin" [ ! -e "$T_PINS" ]
t_is "no filter" "$(t_filters eth0)" 0
t_is "and no qdisc but the one it did not make" "$(t_qdiscs)" 1
t_done
