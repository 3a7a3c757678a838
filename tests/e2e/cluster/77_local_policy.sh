#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# externalTrafficPolicy: Local between two nodes, of which only one has a backend: who is answered by
# which node's address, what a backend sees of the client, and what a load balancer's health check is
# told; and the same after the backend has moved. IPv4 and IPv6.
#
#   C_DATAPLANE=nftables or iptables: the same with kube-proxy, to compare
set -euo pipefail
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

pod() { # NAME NODE APP
	c_kubectl apply -f - >>"$E_DIR/kubectl.log" <<-YAML
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, labels: {app: $3}}
		spec:
		  nodeName: $2
		  terminationGracePeriodSeconds: 0
		  containers: [{name: web, image: "${c_images[agnhost]}", args: [netexec, --http-port=8080, --udp-port=-1]}]
	YAML
}

# A load balancer without a cloud: its addresses are written into the status, and routed to one node.
vip4=203.0.113.20 vip6=2001:db8:20::1
service() {
	c_kubectl apply -f - >>"$E_DIR/kubectl.log" <<-YAML
		apiVersion: v1
		kind: Service
		metadata: {name: web}
		spec:
		  type: LoadBalancer
		  externalTrafficPolicy: Local
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports: [{port: 80, targetPort: 8080}]
	YAML
	k_merge services/web/status \
		"{\"status\": {\"loadBalancer\": {\"ingress\": [{\"ip\": \"$vip4\"}, {\"ip\": \"$vip6\"}]}}}"
	node_port=$(c_kubectl get service web -o 'jsonpath={.spec.ports[0].nodePort}')
	health_port=$(c_kubectl get service web -o 'jsonpath={.spec.healthCheckNodePort}')
}

route_vips_to() { # NODE - the client's way to the load balancer's addresses
	c_client ip route replace $vip4/32 via "${c_ip4[$1]}"
	c_client ip route replace $vip6/128 via "${c_ip6[$1]}"
}

in_step() { c_svcbpf "$1" verify --kubeconfig "$C_AGENT_CONFIG" --node-name "$1"; }

wait_in_step() {
	local node
	if [ "$C_DATAPLANE" != svcbpf ]; then
		t_pause 5
		return
	fi
	for node in n1 n2; do
		t_wait 20 in_step $node || t_bail "svcbpf on $node is in step" "$(in_step $node 2>&1)"
	done
}

# seen RUNNER... -- ADDRESS PORT - the client's address that the backend saw, or how curl failed.
seen() {
	local runner=() status=0 from host
	while [ "$1" != -- ]; do
		runner+=("$1")
		shift
	done
	host=$2
	[[ $host != *:* ]] || host="[$host]"
	from=$("${runner[@]}" curl -s -m 3 "http://$host:$3/clientip") || status=$?
	case $status in
	0) from=${from%:*} && from=${from#[} && echo "${from%]}" ;;
	7) echo refused ;;
	28) echo "no answer" ;;
	*) echo "curl: $status" ;;
	esac
}

is_seen() { # FACT EXPECTED RUNNER... -- ADDRESS PORT
	local fact=$1 expected=$2
	shift 2
	t_is "$fact" "$(seen "$@")" "$expected"
}

# health NODE - "STATUS LOCAL-ENDPOINTS", as a load balancer asks for it.
health() {
	c_client curl -s -m 3 -w '\n%{http_code}\n' "http://${c_ip4[$1]}:$health_port/" |
		python3 -IS -c 'import json, sys
*body, code = sys.stdin.read().split("\n")[:-1]
print(code, json.loads("".join(body))["localEndpoints"])'
}

# served HAS HAS-NOT - all facts, with the backend on node HAS only.
served() {
	local has=$1 has_not=$2 family local_ip other_ip client_ip vip pod_ip
	for family in 4 6; do
		local -n ips=c_ip$family vips=vip$family
		local_ip=${ips[$has]} other_ip=${ips[$has_not]} client_ip=${ips[client]} vip=$vips
		is_seen "IPv$family, outside: $has has a backend, which sees the client" \
			"$client_ip" c_client -- "$local_ip" "$node_port"
		is_seen "IPv$family, outside: $has_not has none, and drops" "no answer" c_client -- "$other_ip" "$node_port"
		is_seen "IPv$family, outside: the load balancer's address by $has, which sees the client" \
			"$client_ip" c_client -- "$vip" 80

		is_seen "IPv$family, $has_not to $has: as from outside, its own address is seen" \
			"$other_ip" c_node "$has_not" -- "$local_ip" "$node_port"
		is_seen "IPv$family, $has to $has_not: as from outside, dropped" \
			"no answer" c_node "$has" -- "$other_ip" "$node_port"

		# What is in the cluster gets all backends at its own node (R28).
		t_like "IPv$family, $has_not to its own NodePort: the backend on $has" \
			"$(seen c_node "$has_not" -- "$other_ip" "$node_port")" '^[0-9a-f.:]+$'
		t_like "IPv$family, $has_not to the load balancer's address: the backend on $has" \
			"$(seen c_node "$has_not" -- "$vip" 80)" '^[0-9a-f.:]+$'
		pod_ip=$(pod_address "client-$has_not" $family)
		is_seen "IPv$family, pod on $has_not to the NodePort of its node, with its address" "$pod_ip" \
			c_pod_exec "default/client-$has_not" -- "$other_ip" "$node_port"
		is_seen "IPv$family, pod on $has_not to the load balancer's address, with its address" "$pod_ip" \
			c_pod_exec "default/client-$has_not" -- "$vip" 80
		pod_ip=$(pod_address "client-$has" $family)
		is_seen "IPv$family, pod on $has to the NodePort of its node, with its address" "$pod_ip" \
			c_pod_exec "default/client-$has" -- "$local_ip" "$node_port"
		t_like "IPv$family, pod on $has_not to the NodePort of $has: answered" \
			"$(seen c_pod_exec "default/client-$has_not" -- "$local_ip" "$node_port")" '^[0-9a-f.:]+$'
	done
	t_is "the health check of $has says one endpoint" "$(health "$has")" "200 1"
	t_is "the health check of $has_not says none" "$(health "$has_not")" "503 0"
}

pod_address() { # NAME FAMILY
	c_kubectl get pod "$1" -o 'jsonpath={range .status.podIPs[*]}{.ip}{"\n"}{end}' |
		grep "$([ "$2" = 4 ] && echo '\.' || echo :)"
}

c_up
pod client-n1 n1 client
pod client-n2 n2 client
pod web-1 n1 web
service
c_pods_ready default "app in (web,client)" || t_bail "the pods are ready" "$(_c_pods_state default)"
route_vips_to n1
wait_in_step
served n1 n2

# The backend moves; nothing else changes.
c_kubectl delete pod web-1 --wait=true >>"$E_DIR/kubectl.log"
pod web-2 n2 web
c_pods_ready default app=web || t_bail "the backend moves" "$(_c_pods_state default)"
route_vips_to n2
wait_in_step
served n2 n1

[ "$C_DATAPLANE" = svcbpf ] || t_done
for node in n1 n2; do
	t_ok "svcbpf on $node says that all is well" t_wait 20 c_svcbpf $node status
done
t_done
