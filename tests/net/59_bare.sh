#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Devices without a link-layer header, as tunnels have them: their programs are loaded with the first
# one, also when it comes while the agent runs, and outlive the agent. Needs vxlan with GPE.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

n_up
n_serve pod11
near=10.96.0.10,fd00:96::10
t_service near ip=$near proto=TCP,UDP backends="$(n_backends pod11)"

# bare NODE OTHER OWN4 OWN6 PREFIX...: a tunnel to the other node that carries IP packets as they are.
bare() {
	local prefix
	ip -n "$1" link add gpe0 type vxlan dstport 4790 gpe external || return
	ip -n "$1" link set gpe0 up
	_n_addr "$1" gpe0 "$3/32" "$4/128"
	for prefix in "${@:5}"; do
		ip -n "$1" route add "$prefix" encap ip id 7 dst "${n_ip4[$2]}" dev gpe0
	done
}

_n_namespace probe
if ! ip -n probe link add gpe0 type vxlan dstport 4790 gpe external 2>/dev/null; then
	ip netns del probe
	t_skip_all "no vxlan with GPE here"
fi
ip netns del probe

# programs NAME - how many of this name work on this agent's flows.
programs() { "$BPFTOOL" -j prog show | t_json "sum(p.get('name') == '$1' and $flows in p.get('map_ids', []) for p in d)"; }
hooks() {
	n_svcbpf node1 status -o json | t_json "' '.join(sorted({str(x['ingress']) + ' ' + str(x['egress']) for x in d['devices'] if x['name'] == 'gpe0'}))"
}
is_served() { [[ $(hooks) = tcx\ tcx || $(hooks) = clsact\ clsact ]]; }

# Clients are node2's own packets, from its address in the tunnel.
reach_all() { # FACT
	n_reach "$1: backend here" node2 $near 80 pod11 10.99.0.2,fd00:99::2
}

n_start node1
n_sync
flows=$("$BPFTOOL" -j map show pinned "$(echo "$T_DIR"/bpf/node1/maps-*/flows4)" | t_json "d['id']")
t_is "without such a device its programs are not loaded" "$(programs ingress_l3) $(programs egress_l3)" "0 0"
t_is "those of others are" "$(programs ingress_l2) $(programs egress_l2)" "1 1"
bare node1 node2 10.99.0.1 fd00:99::1 10.99.0.2/32 fd00:99::2/128
bare node2 node1 10.99.0.2 fd00:99::2 10.99.0.1/32 fd00:99::1/128 10.96.0.0/16 fd00:96::/112
t_ok "a device that comes later gets its programs" t_wait 20 is_served
t_is "which are loaded now" "$(programs ingress_l3) $(programs egress_l3)" "1 1"
reach_all "a device that came later"

n_stop node1 KILL
reach_all "the agent is killed"
n_start node1
n_sync
t_ok "a device that was there before the agent" t_wait 20 is_served
reach_all "the agent is back"
ip -n node1 link del gpe0
bare node1 node2 10.99.0.1 fd00:99::1 10.99.0.2/32 fd00:99::2/128
t_ok "another one in its place" t_wait 20 is_served
reach_all "another one in its place"
n_stop node1
n_svcbpf node1 cleanup >/dev/null
none_left() { [ "$(programs ingress_l3) $(programs egress_l3)" = "0 0" ]; }
t_ok "cleanup takes all" t_wait 10 none_left
t_done
