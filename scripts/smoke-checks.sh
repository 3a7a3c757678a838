#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Check that svcbpf serves a running cluster: the classic examples, from pods, nodes and outside.
#
#   scripts/smoke-checks.sh [--image IMAGE] [--namespace NAME] [--keep]
#
# It makes a namespace of its own, tells one line for each fact ("ok N - ..." or "not ok N - ...", with
# the reason and the kernel's state below), removes the namespace, and ends with "N passed, N failed,
# N skipped". Exit: 0 nothing failed, 1 something did, 2 it could not begin. About two minutes.
#
# It knows the cluster only through these commands, each a prefix of words:
#   KUBECTL         an administrator's kubectl (default: kubectl)
#   ON_NODE         runs a command on a node, "$ON_NODE NODE COMMAND..." (kind: "docker exec"); words
#                   must arrive as they are, which ssh alone does not do. Not set: facts about what
#                   nodes do themselves are skipped.
#   FROM_OUTSIDE    runs a command on a machine that is no node (default: env, which is this one);
#                   "none": there is no such machine, and facts about it are skipped
#   SVCBPF_ON_NODE  runs svcbpf for a node, "$SVCBPF_ON_NODE NODE dump" (default: kubectl exec in the
#                   agent's pod, which has the label k8s-app=svcbpf in kube-system)
#   CLUSTER_DOMAIN  of the cluster's DNS (default: cluster.local)
#
# --image: one with agnhost, curl and a shell (default: Kubernetes' own, $DEFAULT_IMAGE below).
# --keep: the namespace stays, to look at. Nodes need curl, and nft or iptables-save.
set -euo pipefail

DEFAULT_IMAGE=registry.k8s.io/e2e-test-images/agnhost:2.63.0
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=scripts/smoke/lib.sh
. "$here/smoke/lib.sh"

usage() {
	echo "smoke-checks.sh: $1; usage: scripts/smoke-checks.sh [--image IMAGE] [--namespace NAME] [--keep]" >&2
	exit 2
}

image=$DEFAULT_IMAGE namespace=svcbpf-smoke keep=
while [ $# -gt 0 ]; do
	case $1 in
	--image | --namespace)
		[ $# -ge 2 ] || usage "$1 needs a value"
		[ "$1" = --image ] && image=$2 || namespace=$2
		shift 2
		;;
	--keep) keep=1 && shift ;;
	*) usage "unknown argument '$1'" ;;
	esac
done

# ------------------------------------------------------------------ no other implementation

# Chains and tables that only kube-proxy makes: kubelet has KUBE- chains of its own.
proxy_rules='KUBE-(SERVICES|SVC-|SEP-|NODEPORTS|EXTERNAL|EXT-|FW-|PROXY|LOAD-BALANCER)|^table ip6? kube-proxy'
list_rules="{ ! command -v nft >/dev/null || nft list tables; } &&
	{ ! command -v iptables-save >/dev/null || iptables-save; } &&
	{ ! command -v ip6tables-save >/dev/null || ip6tables-save; }"

# The lines of a node's packet filters that are kube-proxy's. Fails when they cannot be listed.
proxy_rules_of() { # NODE
	local rules
	on_node "$1" sh -c 'command -v nft || command -v iptables-save' >/dev/null ||
		{ echo "neither nft nor iptables-save is on the node" && return 1; }
	rules=$(on_node "$1" sh -c "$list_rules" 2>&1) || { echo "$rules" && return 1; }
	grep -E "$proxy_rules" <<<"$rules" | head -n 10 || :
}

check_no_kube_proxy() {
	local node
	is "no DaemonSet kube-proxy" "$(k -n kube-system get daemonset kube-proxy --ignore-not-found -o name)" ''
	for node in "${nodes[@]}"; do
		if ! has_nodes; then
			skip "$node: no kube-proxy and no rules of it" "ON_NODE is not set"
			continue
		fi
		is "$node: no process kube-proxy" \
			"$(on_node "$node" sh -c 'grep -lx kube-proxy /proc/[0-9]*/comm 2>/dev/null || :')" ''
		is "$node: no rules of kube-proxy in nftables or iptables" "$(proxy_rules_of "$node")" ''
	done
}

# ------------------------------------------------------------------ Services

# The first port, the other port and UDP of one Service, by each of its addresses.
check_two_ports() {
	local from address
	for from in "${inside[@]}"; do
		for address in $(service_ips web); do
			answers "$from: $address, port http" "$from" "$(url "$address" 80)/serverport" 8080 web
			answers "$from: $address, port other" "$from" "$(url "$address" 8000)/serverport" 8000 web
		done
	done
	for from in "${pods[@]}"; do
		for address in $(service_ips web); do
			is "$from: $address, UDP port udp" "$(ask_udp "$from" "$address" 90)" '{"responses":["8081"]}' web
		done
	done
	from=${pods[0]}
	is "$from: 40 connects reach all 3 pods" \
		"$(n_web_pods "$from" "$(url "$(service_ip web)" 80)/hostname" 40)" 3 web
}

# A NodePort, from everywhere, by every address of every node, and by loopback on the node itself.
check_node_ports() {
	local port from node address urls=() loopback=127.0.0.1
	port=$(node_port web http)
	[[ ${node_ips[*]} = *.* ]] || loopback=::1
	for address in "${node_ips[@]}"; do urls+=("$(url "$address" "$port")/hostname"); done
	for from in "${everywhere[@]}"; do
		all_answer "$from: NodePort $port by the addresses of all nodes: ${node_ips[*]}" "$from" web "${urls[@]}"
	done
	for node in "${nodes[@]}"; do
		if has_nodes; then
			all_answer "node/$node: NodePort $port by its own $loopback" "node/$node" web \
				"$(url "$loopback" "$port")/hostname"
		else
			skip "node/$node: NodePort $port by its own $loopback" "ON_NODE is not set"
		fi
	done
}

# Who answers is what the hand-made EndpointSlice says, also when it changes.
check_selectorless() {
	local from=${pods[0]} pod ip vip
	vip=$(url "$(service_ip manual)" 80)/hostname
	for pod in "${web_pods[@]:0:2}"; do
		ip=$(k get pod "$pod" -o "jsonpath={.status.podIP}")
		manual_slice "$ip" | k apply -f - >/dev/null
		eventually 20 only_name "$from" "$vip" "$pod" || :
		is "a Service without selector reaches what its EndpointSlice names ($pod)" \
			"$(names "$from" "$vip" 10)" "$pod" manual
	done
}

check_affinity() {
	local from url port
	url=$(url "$(service_ip sticky)" 80)/hostname
	for from in "${pods[@]}"; do
		is "$from: 20 connects with ClientIP affinity reach one pod" "$(n_web_pods "$from" "$url" 20)" 1 sticky
	done
	if [ ${#outside[@]} = 0 ]; then
		skip "outside: 20 connects with ClientIP affinity reach one pod" "FROM_OUTSIDE=none"
		return
	fi
	port=$(node_port sticky http)
	url=$(url "${node_ips[0]}" "$port")/hostname
	is "outside: 20 connects to a NodePort with ClientIP affinity reach one pod" \
		"$(n_web_pods outside "$url" 20)" 1 sticky
}

# What has no ClusterIP is DNS's alone.
check_left_alone() {
	local from=${pods[0]} service node name
	for service in headless external; do
		for node in "${nodes[@]}"; do
			is "$node: nothing is programmed for the $service Service" \
				"$(svcbpf_on "$node" dump -o json --service "$namespace/$service" | tr -d ' \n' |
					grep -o '"frontends":\[[^]]' || :)" ''
		done
		name=http://$service.$namespace:$([ $service = headless ] && echo 8080 || echo 80)/hostname
		if [ -z "$(k -n kube-system get service kube-dns --ignore-not-found -o name)" ]; then
			skip "$from: $name" "the cluster has no Service kube-dns"
		else
			eventually 30 fetch "$from" "$name" >/dev/null || :
			all_answer "$from: $name, through DNS" "$from" web "$name"
		fi
	done
}

# Without a backend a connect fails at once; with the next one it works again.
check_scale_to_zero() {
	local from address targets=() outcome
	for address in $(service_ips single); do targets+=("$(url "$address" 80)/hostname"); done
	targets+=("$(url "${node_ips[0]}" "$(node_port single http)")/hostname") # the last one: outside has this only
	k scale deployment single --replicas=0 >/dev/null
	k wait --for=delete pod -l app=single --timeout=90s >/dev/null 2>&1 || :
	eventually 10 is_refused "${pods[0]}" "${targets[0]}" || :
	for from in "${everywhere[@]}"; do
		for address in "${targets[@]}"; do
			is_inside "$from" || [ "$address" = "${targets[-1]}" ] || continue
			outcome=$(how_refused "$from" "$address")
			is "$from: without a pod ${address%/*} is refused at once" "$outcome" "refused at once" single
		done
	done
	k scale deployment single --replicas=1 >/dev/null
	k rollout status deployment single --timeout=120s >/dev/null || :
	for from in "${everywhere[@]}"; do
		eventually 10 fetch "$from" "${targets[-1]}" >/dev/null || :
		all_answer "$from: and works with the next one" "$from" single "${targets[-1]}"
	done
}

# Connects all the while, each a new one, from a pod and from outside, as all pods are replaced.
check_rolling_restart() {
	local from before=${web_pods[*]}
	start_loop "${pods[0]}" "$(url "$(service_ip web)" 80)/hostname"
	[ ${#outside[@]} = 0 ] || start_loop outside "$(url "${node_ips[0]}" "$(node_port web http)")/hostname"
	k rollout restart deployment web >/dev/null
	k rollout status deployment web --timeout=240s >/dev/null || :
	k wait --for=delete pod -l app=web,"pod-template-hash=$web_hash" --timeout=120s >/dev/null 2>&1 || :
	find_web_pods
	is "all pods were replaced" "$(printf '%s\n' "${web_pods[@]}" | grep -cFxvf <(tr ' ' '\n' <<<"$before"))" 3
	end_loop "${pods[0]}" ClusterIP
	if [ ${#outside[@]} -gt 0 ]; then
		end_loop outside NodePort
	else
		skip "outside: no connect is lost in a rolling restart" "FROM_OUTSIDE=none"
	fi
}

# ------------------------------------------------------------------ the kernel's state

check_dump() {
	local node service address dumped
	for node in "${nodes[@]}"; do
		dumped=$(svcbpf_on "$node" dump 2>&1) || :
		echo "# svcbpf dump on $node:"
		diag "$(head -n 60 <<<"$dumped")"
		dumped=$(svcbpf_on "$node" dump -o json 2>&1 | tr -d ' \n') || :
		for service in web sticky manual single; do
			for address in $(service_ips $service); do
				is "$node: svcbpf dump has $service, $address" \
					"$(grep -oF -m 1 "\"address\":\"$address\"" <<<"$dumped" | sort -u)" "\"address\":\"$address\""
			done
		done
	done
}

check_agents() {
	local node
	for node in "${nodes[@]}"; do
		eventually 30 svcbpf_on "$node" verify >/dev/null || :
		succeeds "$node: svcbpf verify finds no difference" svcbpf_on "$node" verify
		succeeds "$node: svcbpf status finds nothing wrong" svcbpf_on "$node" status
	done
}

check_removed() {
	local node
	remove_namespace
	for node in "${nodes[@]}"; do
		eventually 20 nothing_is_left "$node" || :
		is "$node: nothing is left of the removed Services" "$(left_of_namespace "$node")" ''
	done
}

# ------------------------------------------------------------------ all of it

begin
check_no_kube_proxy
check_two_ports
check_node_ports
check_selectorless
check_affinity
check_left_alone
check_dump
check_scale_to_zero
check_rolling_restart
check_agents
[ -n "$keep" ] || check_removed
finish
