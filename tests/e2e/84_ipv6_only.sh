#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A node and a cluster without IPv4: the API server, the Node, its pods and its Services have IPv6
# addresses only, and no device but loopback has any other.
set -euo pipefail
E_HOST=::1
e_server_names=DNS:localhost,IP:::1
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
E_URL="https://[::1]:6443"

# etcd's way to its API server is no part of the node.
e_up_ipv6() {
	_e_pki
	e_start_etcd
	e_spawn_api --service-cluster-ip-range fd00:96::/108
	e_wait_api
	k_apply <"$T_ROOT/scripts/deploy/rbac.yaml"
	k_apply <<-YAML
		apiVersion: v1
		kind: Node
		metadata: {name: $NODE_NAME}
		status:
		  addresses: [{type: InternalIP, address: "fd00:18::11"}]
	YAML
}
e_up_ipv6

ip netns add outside
ip link add eth0 type veth peer name node0 netns outside
ip -n outside addr add fd00:18::2/64 dev node0 nodad
ip -n outside link set node0 up
ip addr add fd00:18::11/64 dev eth0 nodad
ip addr add fd00:18::12/64 dev eth0 nodad
ip link set eth0 up
ip -6 route add default via fd00:18::2
sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=0
t_is "no IPv4 address but loopback's" "$(ip -4 -o addr show | grep -vc ' lo ')" 0

status() { "$SVCBPF" status --pin-dir "$T_PINS" "$@" || :; }
code() { curl -sg --max-time 5 -o /dev/null -w '%{http_code}' "$1"; }
outside() { nsenter --net=/run/netns/outside -- "$@"; }
from_outside() { outside "$T_TOOLS/connloop" -n 1 "$@" | _t_name_or_error; }
answers_outside() { [ "$(from_outside "$1")" = "$2" ]; }

t_addresses fd00:244::1 fd00:244::2
t_answer '[fd00:244::1]:8080' '[fd00:244::2]:8080'
k_service web ip=fd00:96::10 proto=TCP,UDP nodeport=30080 external=2001:db8::10 backends=fd00:244::1
k_service local ip=fd00:96::20 nodeport=30090 lb=2001:db8::20 external_policy=Local backends=fd00:244::1,fd00:244::2 local=fd00:244::2
check=$(k_get services/local | t_json 'd["spec"]["healthCheckNodePort"]')
e_start_agent --nodeport-addresses primary
t_sync

t_is "the ClusterIP, TCP" "$(t_name '[fd00:96::10]:80')" "[fd00:244::1]:8080"
t_is "the ClusterIP, UDP" "$(t_name '[fd00:96::10]:80' -u)" "[fd00:244::1]:8080"
t_is "the external IP" "$(t_name '[2001:db8::10]:80')" "[fd00:244::1]:8080"
t_is "the NodePort from this node" "$(t_name '[fd00:18::11]:30080')" "[fd00:244::1]:8080"
t_ok "the NodePort from outside" t_wait 10 answers_outside '[fd00:18::11]:30080' '[fd00:244::1]:8080'
t_is "... by UDP" "$(from_outside '[fd00:18::11]:30080' -u)" "[fd00:244::1]:8080"
t_is "... policy Local" "$(from_outside '[fd00:18::11]:30090')" "[fd00:244::2]:8080"
t_is "primary: not on the other address" "$(from_outside '[fd00:18::12]:30080')" ECONNREFUSED
t_is "the agent listens for probes: /healthz by IPv6" "$(code 'http://[fd00:18::11]:10256/healthz')" 200
t_is "... the load balancer's check" "$(code "http://[fd00:18::11]:$check/")" 200
t_is "... on the primary address alone" "$(code "http://[fd00:18::12]:$check/")" 000
t_is "... /livez on ::1" "$(code 'http://[::1]:10256/livez')" 200
t_is "... /metrics" "$(code 'http://127.0.0.1:10249/metrics')" 200
t_like "all is well" "$(status)" '^All is well'
t_is "status names the API server and the uplink's address" \
	"$(status -o json | t_json 'd["source"]["name"], [(x["name"], x["uplink"], x["address4"], x["address6"]) for x in d["devices"] if x["uplink"]]')" \
	"https://[::1]:6443 [('eth0', True, None, 'fd00:18::11')]"
t_is "verify finds no difference" "$("$SVCBPF" verify --kubeconfig "$E_DIR/admin.kubeconfig" --pin-dir "$T_PINS" 2>&1)" \
	"the kernel holds what is planned"
has_event() { k_get events | t_json "any(e.get('reason') == 'Starting' for e in d['items'])" | grep -q True; }
t_ok "the Event of the start came through" t_wait 10 has_event

# --- the agent starts while the API server is away, and everything is bound to IPv6
t_stop_agent
e_signal api KILL
e_spawn_agent --healthz-bind-address '[fd00:18::11]:10256' --metrics-bind-address '[::1]:10249'
t_ok "the API is away: ready" e_wait_agent
t_is "... serves" "$(t_name '[fd00:96::10]:80')" "[fd00:244::1]:8080"
t_is "... /healthz on the address that was asked for" "$(code 'http://[fd00:18::11]:10256/healthz')" 200
t_is "... alone" "$(code 'http://[::1]:10256/healthz')" 000
t_is "... /metrics" "$(code 'http://[::1]:10249/metrics')" 200
e_spawn_api --service-cluster-ip-range fd00:96::/108
e_wait_api
k_service web ip=fd00:96::10 proto=TCP,UDP nodeport=30080 external=2001:db8::10 backends=fd00:244::2
moved() { [ "$(t_name '[fd00:96::10]:80')" = '[fd00:244::2]:8080' ]; }
t_ok "the API is back: in step" t_wait 10 moved

# --- the node becomes dual-stack
ip -n outside addr add 172.18.0.2/24 dev node0
ip addr add 172.18.0.11/24 dev eth0
k_merge nodes/n1/status '{"status": {"addresses": [{"type": "InternalIP", "address": "fd00:18::11"}, {"type": "InternalIP", "address": "172.18.0.11"}]}}'
has_both() { status -o json | t_json '[(x["address4"], x["address6"]) for x in d["devices"] if x["name"] == "eth0"]' | grep -q "172.18.0.11.*fd00:18::11"; }
t_ok "an IPv4 address comes: the uplink has both" t_wait 10 has_both
t_is "... IPv6 goes on" "$(from_outside '[fd00:18::11]:30080')" "[fd00:244::2]:8080"
t_done
