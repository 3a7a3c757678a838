#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every type of Service, made, changed and removed through a real API server: after each step the plan
# from the API, the kernel's maps and what connects get agree.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2 10.244.0.3 10.244.0.9 fd00:244::1 fd00:244::2
t_answer 10.244.0.1:8080 10.244.0.2:8080 10.244.0.3:8080 "[fd00:244::1]:8080" "[fd00:244::2]:8080"
e_up
e_start_agent

# step FACT - what was applied is in force.
step() {
	t_wait 20 t_is_synced || :
	t_is "$1: the kernel holds the plan" \
		"$(diff <(t_plan -o json 2>"$T_DIR/plan.err") <(t_dump -o json 2>&1) | head -n 20)" ""
}

# frontends SERVICE - how the kernel has them, "TYPE ADDRESS:PORT" one a line.
frontends() {
	t_dump -o json --service "default/$1" |
		t_json '"\n".join("%s %s:%s" % (f["type"], f["address"], f["port"]) for f in d["frontends"])'
}

# field SERVICE NAME - of its first frontend
field() { t_dump -o json --service "default/$1" | t_json "d['frontends'][0]['$2']"; }

gone=ENETUNREACH # where nothing translates, nothing routes either

step "an empty cluster"

k_service web ip=10.96.0.10 backends=10.244.0.1
step "ClusterIP"
t_name_is "ClusterIP: connect" 10.244.0.1:8080 10.96.0.10:80
k_service web ip=10.96.0.10 backends=10.244.0.2
step "ClusterIP, other endpoint"
t_name_is "ClusterIP, other endpoint: connect" 10.244.0.2:8080 10.96.0.10:80
k_service web ip=10.96.0.10 port=81 proto=TCP,UDP backends=10.244.0.2
step "ClusterIP, other port, UDP too"
t_name_is "ClusterIP, other port: connect" 10.244.0.2:8080 10.96.0.10:81
t_name_is "ClusterIP, other port: UDP" 10.244.0.2:8080 10.96.0.10:81 -u
t_name_is "ClusterIP, the old port" "$gone" 10.96.0.10:80
k_service web ip=10.96.0.10
step "ClusterIP, no endpoint"
t_name_is "ClusterIP, no endpoint: refused" "$(t_refused)" 10.96.0.10:80

k_service web ip=10.96.0.10 backends=10.244.0.1 nodeport=30080
step "ClusterIP becomes NodePort"
t_name_is "NodePort: connect" 10.244.0.1:8080 10.244.0.9:30080
k_service web ip=10.96.0.10 backends=10.244.0.1 nodeport=30081
step "another NodePort"
t_name_is "another NodePort: connect" 10.244.0.1:8080 10.244.0.9:30081
t_name_is "the old NodePort" ECONNREFUSED 10.244.0.9:30080

k_service web ip=10.96.0.10 backends=10.244.0.1 nodeport=30081 lb=203.0.113.9
step "NodePort becomes LoadBalancer"
t_name_is "LoadBalancer: connect" 10.244.0.1:8080 203.0.113.9:80
t_name_is "LoadBalancer: its NodePort" 10.244.0.1:8080 10.244.0.9:30081
k_merge services/web/status '{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9", "ipMode": "Proxy"}]}}}'
step "LoadBalancer of mode Proxy"
t_name_is "LoadBalancer of mode Proxy: not ours" "$gone" 203.0.113.9:80
k_merge services/web/status '{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}}'
step "LoadBalancer, another address"
t_name_is "LoadBalancer, another address: connect" 10.244.0.1:8080 203.0.113.10:80
k_merge services/web/status '{"status": {"loadBalancer": {"ingress": null}}}'
step "LoadBalancer without an address"
t_name_is "LoadBalancer without an address: not ours" "$gone" 203.0.113.10:80

k_service web ip=10.96.0.10 backends=10.244.0.1 external=198.51.100.7
k_merge services/web '{"spec": {"type": "ClusterIP"}}'
step "LoadBalancer becomes ClusterIP with an external address"
t_is "... with these frontends" "$(frontends web)" $'ClusterIP 10.96.0.10:80\nExternalIP 198.51.100.7:80'
t_name_is "external address: connect" 10.244.0.1:8080 198.51.100.7:80
t_name_is "... the NodePort is gone" ECONNREFUSED 10.244.0.9:30081

k_merge services/web '{"spec": {"type": "ExternalName", "externalName": "example.invalid", "clusterIP": null, "clusterIPs": null, "externalIPs": null, "ipFamilies": null, "ipFamilyPolicy": null}}'
step "becomes ExternalName"
t_is "ExternalName: no frontend" "$(frontends web)" ""
t_name_is "ExternalName: connect" "$gone" 10.96.0.10:80
k_merge services/web '{"spec": {"type": "ClusterIP", "externalName": null, "clusterIP": "10.96.0.10"}}'
step "becomes ClusterIP again"
t_name_is "ClusterIP again: connect" 10.244.0.1:8080 10.96.0.10:80

k_merge services/web '{"metadata": {"labels": {"service.kubernetes.io/service-proxy-name": ""}}}'
step "given to another proxy"
t_is "given to another proxy: no frontend" "$(frontends web)" ""
t_name_is "given to another proxy: connect" "$gone" 10.96.0.10:80
k_merge services/web '{"metadata": {"labels": {"service.kubernetes.io/service-proxy-name": null}}}'
step "given back"
t_name_is "given back: connect" 10.244.0.1:8080 10.96.0.10:80

k_service sticky ip=10.96.0.11 backends=10.244.0.1,10.244.0.2,10.244.0.3 affinity=600
step "affinity"
t_is "affinity: seconds" "$(field sticky affinitySeconds)" 600
t_is "affinity: 60 connects, one backend" \
	"$(t_in "$T_TOOLS/connloop" -n 60 10.96.0.11:80 | t_json 'len(d["backends"])')" 1
k_service sticky ip=10.96.0.11 backends=10.244.0.1,10.244.0.2,10.244.0.3
k_merge services/sticky '{"spec": {"sessionAffinity": "None"}}'
step "affinity taken away"
t_is "affinity taken away: 60 connects, all backends" \
	"$(t_in "$T_TOOLS/connloop" -n 60 10.96.0.11:80 | t_json 'len(d["backends"])')" 3

k_service dual ip=10.96.0.12,fd00:96::12 backends=10.244.0.1,fd00:244::1
step "dual-stack"
t_name_is "dual-stack: IPv4" 10.244.0.1:8080 10.96.0.12:80
t_name_is "dual-stack: IPv6" "[fd00:244::1]:8080" "[fd00:96::12]:80"
k_merge services/dual '{"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": ["10.96.0.12"]}}'
step "single-stack"
t_name_is "single-stack: IPv4" 10.244.0.1:8080 10.96.0.12:80
t_name_is "single-stack: no IPv6" "$gone" "[fd00:96::12]:80"

k_apply <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: default}
spec: {clusterIP: None, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: headless-1, namespace: default, labels: {kubernetes.io/service-name: headless, service.kubernetes.io/headless: ""}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.1]}]
YAML
step "headless"
t_is "headless: no frontend" "$(frontends headless)" ""

k_service inside ip=10.96.0.13 backends=10.244.0.1,10.244.0.2 local=10.244.0.2 internal=Local
step "internalTrafficPolicy Local"
t_name_is "internalTrafficPolicy Local: the local endpoint" 10.244.0.2:8080 10.96.0.13:80
k_service inside ip=10.96.0.13 backends=10.244.0.1 local=none internal=Local
step "... without a local endpoint"
t_is "... dropped" "$(field inside noBackends)" drop

k_apply <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: near, namespace: default}
spec: {clusterIP: 10.96.0.14, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: near-1, namespace: default, labels: {kubernetes.io/service-name: near}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.244.0.1], zone: zone-a, hints: {forZones: [{name: zone-a}]}}
- {addresses: [10.244.0.2], zone: zone-b, hints: {forZones: [{name: zone-b}]}}
YAML
step "hints for zones"
t_name_is "hints: this node's zone is zone-a" 10.244.0.1:8080 10.96.0.14:80
k_merge nodes/n1 '{"metadata": {"labels": {"topology.kubernetes.io/zone": "zone-b"}}}'
step "the node moves to zone-b"
t_name_is "hints: this node's zone is zone-b" 10.244.0.2:8080 10.96.0.14:80
k_delete nodes/n1
step "the Node object is gone"
t_like "the Node object is gone: plan says so" "$(<"$T_DIR/plan.err")" '^svcbpf plan: Node n1: the API has none of this name'
t_like "the Node object is gone: status says so" "$("$SVCBPF" status --pin-dir "$T_PINS" || :)" '! Node n1: the API has none of this name'
t_is "the Node object is gone: hints are no use" \
	"$(t_in "$T_TOOLS/connloop" -n 60 10.96.0.14:80 | t_json 'len(d["backends"])')" 2
k_node
step "the Node object is back"
t_ok "the Node object is back: all is well" "$SVCBPF" status --pin-dir "$T_PINS"
t_name_is "the Node object is back: zone-a" 10.244.0.1:8080 10.96.0.14:80

for name in web sticky dual inside; do k_remove_service $name; done
k_delete services/near
k_delete services/headless
step "all are removed"
t_name_is "all are removed: connect" "$gone" 10.96.0.10:80
t_is "what is left is the API server's own" \
	"$(t_dump -o json | t_json 'sorted({f["service"] for f in d["frontends"]})')" "['default/kubernetes']"
t_ok "verify agrees" "$SVCBPF" verify --kubeconfig "$E_DIR/admin.kubeconfig" --pin-dir "$T_PINS"
t_is "the agent still runs" "$(kill -0 "$t_agent_pid" && echo yes)" yes
t_stop_agent
t_is "SIGTERM: exit status 0" "$t_agent_status" 0
t_done
