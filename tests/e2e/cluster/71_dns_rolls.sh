#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 1,000 DNS queries a second, over UDP and TCP, from pods and from a node, while CoreDNS is rolled again
# and again. Nothing may be lost: each query is answered at the first try, or at the second.
set -euo pipefail
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

n_rolls=4
seconds=75
dns=10.96.0.10:53
question="kubernetes.default.svc.cluster.local 10.96.0.1"
uids() { c_kubectl -n kube-system get pods -l k8s-app=kube-dns -o jsonpath='{.items[*].metadata.uid}' | tr ' ' '\n' | sort; }
is_replaced() { [ -z "$(comm -12 <(echo "$before") <(uids))" ]; } # none of those before is left

# pod NAME NODE - a pod with the tools of tests/net.
pod() {
	c_kubectl apply -f - >>"$E_DIR/kubectl.log" <<-YAML
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, labels: {app: asker}}
		spec:
		  nodeName: $2
		  terminationGracePeriodSeconds: 0
		  containers:
		  - name: asker
		    image: ${c_images[agnhost]}
		    volumeMounts: [{name: tools, mountPath: /tools, readOnly: true}]
		  volumes: [{name: tools, hostPath: {path: $T_TOOLS}}]
	YAML
}

# load NAME MODE RATE RUNNER... - dnsload in the background, in a pod or on a node.
declare -A loads=() rates=()
load() {
	local name=$1 mode=$2 rate=$3
	shift 3
	# shellcheck disable=SC2086 # two words
	"$@" -m "$mode" -r "$rate" -d $seconds $dns $question >"$T_DIR/load-$name" 2>&1 &
	loads["$name"]=$!
	rates["$name"]=$rate
}

from_pod() { # NAME ARGUMENTS...
	local pod=$1
	shift
	c_pod_exec "default/$pod" /tools/dnsload "$@"
}

c_up
pod a n1
pod b n2
c_pods_ready default app=asker || t_bail "the clients are ready" "$(_c_pods_state default)"

load "pod, UDP, a socket each" socket 300 from_pod a
load "pod, UDP, connected sockets" kept 150 from_pod a
load "pod, UDP, unconnected sockets" sendto 150 from_pod b
load "pod, TCP, a connection each" tcp 200 from_pod b
load "pod, TCP, kept connections" stream 100 from_pod a
load "node, UDP, a socket each" socket 100 c_node n2 "$T_TOOLS/dnsload"

start=$(t_now_ms)
for ((i = 1; i <= n_rolls; i++)); do
	before=$(uids)
	c_kubectl -n kube-system rollout restart deployment coredns >>"$E_DIR/kubectl.log"
	t_ok "roll $i of CoreDNS: the new pods are ready" c_kubectl -n kube-system rollout status deployment coredns --timeout 60s
	t_ok "... the old ones are gone" t_wait 40 is_replaced
done
took=$(($(t_now_ms) - start))
t_ok "$n_rolls rolls took less than the load: $took ms" [ $took -lt $((seconds * 1000)) ]
for name in "${!loads[@]}"; do
	wait "${loads[$name]}" 2>/dev/null || :
done

for name in "${!loads[@]}"; do
	report=$(grep '^{' "$T_DIR/load-$name") || t_bail "$name: dnsload has a report" "$(cat "$T_DIR/load-$name")"
	read -r asked retried < <(t_json 'd["asked"], d["retried"]' <<<"$report" | tr -d '(),')
	t_is "$name: of $asked queries, $retried were asked twice; lost and wrong" \
		"$(t_json 'd["lost"], d["wrong"]' <<<"$report")" "0 0"
	least=$((rates[$name] * seconds * 8 / 10))
	t_ok "... there were at least $least" [ "$asked" -ge $least ]
	t_diag "$report"
done
for node in "${c_nodes[@]}"; do
	t_ok "svcbpf on $node says that all is well" t_wait 20 c_svcbpf "$node" status
	t_ok "... and verifies" c_svcbpf "$node" verify --kubeconfig "$C_AGENT_CONFIG" --node-name "$node"
done
t_done
