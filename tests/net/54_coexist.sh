#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Programs of others before and after ours still run, and devices come, go and get other names while
# traffic flows.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

n_up
for name in "${n_pods[@]}"; do n_serve "$name"; done
t_service near ip=10.96.0.10,fd00:96::10 nodeport=30080 proto=TCP,UDP backends="$(n_backends pod11)"
t_service far ip=10.96.0.11,fd00:96::11 nodeport=30081 proto=TCP,UDP backends="$(n_backends pod21)"

# foreign NAME DEVICE ingress|egress first|last|pin - a program that counts, on node1
foreign() {
	mkdir "$T_DIR/bpf/$1"
	n_on node1 "$T_TOOLS/tccount" "$2" "$3" "$4" "$T_DIR/bpf/$1" || return
	[ "$4" != pin ] || n_on node1 tc filter add dev "$2" "$3" prio "$5" bpf da object-pinned "$T_DIR/bpf/$1/program"
}
counted() { "$BPFTOOL" -j map dump pinned "$T_DIR/bpf/$1/count" | t_json 'd[0]["formatted"]["value"] if "formatted" in d[0] else sum(int(b, 16) << 8 * i for i, b in enumerate(d[0]["value"]))'; }

# sees FACT NAME COMMAND...: the command works, and the program counts packets of it
sees() {
	local fact=$1 name=$2 before
	shift 2
	before=$(counted "$name")
	"$@" >/dev/null || t_diag "$* fails"
	t_ok "$fact" [ "$(counted "$name")" -gt "$before" ]
}

ping_node() { n_on client ping -c 2 -i 0.2 -W 5 "${n_ip4[node1]}"; }
get_near() { [ "$(n_http client "http://${n_ip4[node1]}:30080/")" = "pod11 ${n_ip4[client]}" ]; }
get_far() { [ "$(n_http client "http://${n_ip4[node1]}:30081/")" = "pod21 ${n_ip4[node1]}" ]; }

# What holds beside programs of others: $1 names those before ours, $2 those after.
coexist() { # FACT BEFORE AFTER
	n_reach "$1: NodePort, backend here" client node1 30080 pod11 client
	n_reach "$1: NodePort, backend on the other node" client node1 30081 pod21 node1
	sees "$1: the first sees what is not ours" "$2" ping_node
	sees "$1: the last sees what is not ours" "$3" ping_node
	sees "$1: the first sees what is ours" "$2" get_near
	sees "$1: the last sees what we leave to the stack" "$3" get_near
}

has_tcx() {
	mkdir "$T_DIR/bpf/probe"
	"$T_TOOLS/tccount" lo ingress first "$T_DIR/bpf/probe" 2>/dev/null
}
modes=(clsact)
if has_tcx; then
	modes=(auto clsact)
	foreign tcx-old eth0 ingress first
	n_start node1
	n_sync
	foreign tcx-first eth0 ingress first
	foreign tcx-last eth0 ingress last
	foreign tcx-out eth0 egress last
	coexist "TCX" tcx-first tcx-last
	sees "TCX: the first sees what we redirect" tcx-first get_far
	coexist "TCX, one from before the start" tcx-old tcx-last
	sees "TCX: at egress too" tcx-out get_near
	n_stop node1
	n_svcbpf node1 cleanup >/dev/null
	sees "TCX: the others stay after cleanup" tcx-last ping_node
	rm -r "$T_DIR/bpf/tcx-"*
fi

n_on node1 tc qdisc add dev eth0 clsact
foreign cls-first eth0 ingress pin 1
foreign cls-last eth0 ingress pin 60000
foreign cls-out eth0 egress pin 60000
for mode in "${modes[@]}"; do
	n_start node1 --tc-attach "$mode"
	n_sync
	coexist "filters, ours by $mode" cls-first cls-last
	[ "$mode" = auto ] || sees "filters: the first sees what we redirect" cls-first get_far
	sees "filters, ours by $mode: at egress too" cls-out get_near
	n_stop node1
	n_svcbpf node1 cleanup >/dev/null
	sees "filters, ours by $mode: the others stay after cleanup" cls-last ping_node
	t_like "filters, ours by $mode: and so does their qdisc" "$(n_on node1 tc qdisc show dev eth0)" clsact
done

# ------------------------------------------------------------------ devices

n_start node1 --tc-attach auto
n_sync
n_on client curl -sgf -m 60 --limit-rate 1M "http://${n_ip4[node1]}:30080/bytes/6000000" >"$T_DIR/down" &
transfer=$!
n_on client curl -sgf -m 60 --limit-rate 1M "http://${n_ip4[node1]}:30081/bytes/6000000" >"$T_DIR/down-far" &
transfer_far=$!
t_wait 20 test -s "$T_DIR/down" -a -s "$T_DIR/down-far" || t_bail "transfers begin"

links() { find "$T_DIR/bpf/node1" -name "ingress-$1" -o -name "egress-$1" | wc -l; }
has_links() { [ "$(links "$1")" = "$2" ]; }

new_pod() { # NAME NUMBER: as a CNI plugin makes one
	_n_namespace "$1"
	_n_link 1500 "$1" eth0 node1 "v-$1"
	ip -n node1 link set "v-$1" master cni0
	n_ip4[$1]=10.244.1.$2 n_ip6[$1]=fd00:244:1::$2
	_n_addr "$1" eth0 "${n_ip4[$1]}/24" "${n_ip6[$1]}/64"
	_n_default "$1" 10.244.1.1 fd00:244:1::1
}
index_of() { n_on node1 ip -o link show "$1" | cut -d : -f 1; }

! t_is_slow && first=31 || first=37
for ((i = first; i < 41; i++)); do
	new_pod "pod$i" "$i"
	answers() { [ "$(n_http "pod$i" http://10.96.0.10/ -m 1)" = "pod11 10.244.1.$i" ]; }
	t_ok "a pod that comes later reaches Services ($i)" t_wait 10 answers
	[ $((i % 2)) = 0 ] || ip netns del "pod$i"
done
n_reach "... in all ways" pod40 10.96.0.10,fd00:96::10 80 pod11 pod40
gone=$(index_of v-pod40)
before=$(links "$gone")
ip netns del pod40
t_ok "what was attached to a device goes with it ($before links)" t_wait 10 has_links "$gone" 0
n_serve pod38
t_service late ip=10.96.0.12,fd00:96::12 nodeport=30082 proto=TCP,UDP backends="$(n_backends pod38)"
n_sync
n_reach "a pod that came later is a backend" client node1 30082 pod38 client

rename() { # OLD NEW: kernels before 6.2 want it down for that
	ip -n node1 link set "$1" name "$2" 2>/dev/null && return
	ip -n node1 link set "$1" down
	ip -n node1 link set "$1" name "$2"
	ip -n node1 link set "$2" up
}
rename v-pod11 other-name
n_reach "a device that got another name" client node1 30080 pod11 client
n_stop node1
n_start node1
n_sync
n_reach "... also after a restart" client node1 30080 pod11 client
ip -n node1 link set v-pod12 down
ip -n node1 link set v-pod12 up
answers() { [ "$(n_http pod12 http://10.96.0.11/ -m 1)" = "pod21 ${n_ip4[pod12]}" ]; }
t_ok "a device that was down and is up again" t_wait 10 answers
wait $transfer || :
wait $transfer_far || :
t_is "a transfer meanwhile, backend here" "$(sha256sum <"$T_DIR/down")" "$(sha256sum <"$(_n_data 6000000)")"
t_is "a transfer meanwhile, backend on the other node" "$(sha256sum <"$T_DIR/down-far")" \
	"$(sha256sum <"$(_n_data 6000000)")"
t_ok "the agent is well" n_svcbpf node1 status
t_done
