#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Pods come and go under the real EndpointSlice controller: no connect fails while a Service's Pods are
# replaced one after the other, ready to terminating to gone.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

addresses=(10.244.1.1 10.244.1.2 10.244.1.3 10.244.1.4 10.244.1.5 10.244.1.6)
t_addresses "${addresses[@]}"
t_answer "${addresses[@]/%/:8080}"
e_up
e_start_controllers
e_start_agent

# pod NAME ADDRESS READY - the Pod as scheduler and kubelet would tell it.
pod() {
	k_apply <<-YAML
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, namespace: default, labels: {app: web}}
		spec:
		  nodeName: $NODE_NAME
		  containers: [{name: web, image: none.invalid/web, ports: [{name: http, containerPort: 8080}]}]
		status:
		  phase: Running
		  podIP: $2
		  podIPs: [{ip: $2}]
		  conditions: [{type: Ready, status: "$3"}]
	YAML
}

# slice EXPRESSION - of the list of endpoints that the controller has written; Python.
slice() {
	k_get 'endpointslices?labelSelector=kubernetes.io/service-name=web' |
		t_json "(lambda endpoints: $1)([e for s in d['items'] for e in s.get('endpoints') or []])"
}
controller_has() { [ "$(slice "$1")" = True ]; }
backends() { t_dump -o json --service default/web | t_json '" ".join(b["address"] + ":" + b["state"] for b in d["frontends"][0]["backends"])'; }

# told FACT EXPRESSION - wait for the controller, then for the agent.
told() {
	t_wait 20 controller_has "$2" || t_bail "the controller: $1" "$(slice endpoints)"
	t_wait 20 t_is_synced || :
	t_ok "$1: the kernel holds the plan" t_is_synced
}

k_apply <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.10, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
YAML
pod old-1 10.244.1.1 "True"
pod old-2 10.244.1.2 "True"
pod old-3 10.244.1.3 "False"
told "two Pods ready, one not" 'len(endpoints) == 3 and sum(e["conditions"]["ready"] for e in endpoints) == 2'
t_is "two Pods are backends" "$(backends)" "10.244.1.1:ready 10.244.1.2:ready"
pod old-3 10.244.1.3 "True"
told "the third is ready" 'sum(e["conditions"]["ready"] for e in endpoints) == 3'

e_start_loop rollout -r "$(t_scaled 500)" 10.96.0.10:80=10.244.1.
for i in 1 2 3; do
	new=10.244.1.$((i + 3))
	pod new-$i $new "True"
	told "new Pod $i is ready" "'$new' in [e['addresses'][0] for e in endpoints if e['conditions']['ready']]"
	k_delete "pods/old-$i?gracePeriodSeconds=30"
	told "old Pod $i is terminating" "any(e['conditions']['terminating'] for e in endpoints)"
	k_delete "pods/old-$i?gracePeriodSeconds=0"
	told "old Pod $i is gone" "not any(e['conditions']['terminating'] for e in endpoints)"
done
e_end_loop rollout 100
t_is "the new Pods are the backends" "$(backends)" "10.244.1.4:ready 10.244.1.5:ready 10.244.1.6:ready"

for i in 1 2 3; do k_delete "pods/new-$i?gracePeriodSeconds=30"; done
told "all Pods are terminating" "len(endpoints) == 3 and all(e['conditions']['terminating'] for e in endpoints)"
t_is "terminating Pods that serve are used when there is no other" "$(backends)" \
	"10.244.1.4:terminating 10.244.1.5:terminating 10.244.1.6:terminating"
t_like "... by connects too" "$(t_name 10.96.0.10:80)" '^10\.244\.1\.[456]:8080$'
for i in 1 2 3; do k_delete "pods/new-$i?gracePeriodSeconds=0"; done
told "no Pod is left" 'len(endpoints) == 0'
t_is "no Pod is left: refused" "$(t_name 10.96.0.10:80)" "$(t_refused)"
t_done
