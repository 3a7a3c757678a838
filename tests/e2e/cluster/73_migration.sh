#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A running cluster goes from kube-proxy to svcbpf and back by the order of svcbpf(8), MIGRATION, one
# node after the other, under traffic: from outside by NodePort, from the nodes and from pods. 100 open
# connections, 30 UDP sockets and every new one are watched: none is lost, each way.
#
#   MIGRATE_MODE=nftables|iptables  kube-proxy's mode (default nftables)
set -euo pipefail
MIGRATE_MODE=${MIGRATE_MODE:-nftables}
C_DATAPLANE=$MIGRATE_MODE
export C_DATAPLANE MIGRATE_MODE
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

steady=$T_ROOT/tests/net/steady.py
node_port=30080 udp_port=30081

# ------------------------------------------------------------------ what runs in the cluster

workload() {
	c_kubectl apply -f - >>"$E_DIR/kubectl.log" <<-YAML
		apiVersion: apps/v1
		kind: Deployment
		metadata: {name: web}
		spec:
		  replicas: 4
		  selector: {matchLabels: {app: web}}
		  template:
		    metadata: {labels: {app: web}}
		    spec:
		      terminationGracePeriodSeconds: 1
		      topologySpreadConstraints:
		      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}
		      containers:
		      - {name: web, image: "${c_images[agnhost]}", imagePullPolicy: Never, args: [netexec, --http-port=8080, --udp-port=8081],
		         readinessProbe: {httpGet: {path: /readyz, port: 8080}}}
		---
		apiVersion: apps/v1
		kind: DaemonSet
		metadata: {name: client}
		spec:
		  selector: {matchLabels: {app: client}}
		  template:
		    metadata: {labels: {app: client}}
		    spec:
		      terminationGracePeriodSeconds: 1
		      containers: [{name: client, image: "${c_images[agnhost]}", imagePullPolicy: Never, args: [pause]}]
		---
		apiVersion: v1
		kind: Service
		metadata: {name: web}
		spec:
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  selector: {app: web}
		  ports:
		  - {name: http, port: 80, targetPort: 8080, nodePort: $node_port}
		  - {name: udp, protocol: UDP, port: 81, targetPort: 8081, nodePort: $udp_port}
	YAML
	c_pods_ready default app=web || t_bail "the backends become ready" "$(_c_pods_state default)"
	c_pods_ready default app=client || t_bail "the client pods become ready" "$(_c_pods_state default)"
	read -r vip4 vip6 < <(k_get services/web | t_json "*d['spec']['clusterIPs']")
}

# The network namespace of the client pod on a node, as a path there.
pod_netns() { # NODE
	local ip
	ip=$(c_kubectl get pods -l app=client --field-selector "spec.nodeName=$1" -o 'jsonpath={.items[0].status.podIP}')
	# shellcheck disable=SC2016 # for the node's shell
	c_node "$1" bash -c 'for f in /run/netns/*; do
		nsenter --net="$f" ip -o addr | grep -qF " $0/" && echo "$f" && exit
	done; exit 1' "$ip"
}

# ------------------------------------------------------------------ traffic

# 40 connections from outside, 15 from each node and from a pod on each; and 30 UDP sockets.
begin_traffic() {
	local node outside=() udp=() inside=("$vip4:80/hostname" "[$vip6]:80/hostname")
	for node in "${c_nodes[@]}"; do
		outside+=("${c_ip4[$node]}:$node_port/hostname" "[${c_ip6[$node]}]:$node_port/hostname")
		udp+=("udp:${c_ip4[$node]}:$udp_port/hostname" "udp:[${c_ip6[$node]}]:$udp_port/hostname")
	done
	begin_outside tcp 40 20 "${outside[@]}"
	begin_outside udp 10 5 "${udp[@]}"
	for node in "${c_nodes[@]}"; do
		begin_on "$node" node-tcp /proc/1/ns/net 15 5 "${inside[@]}"
		begin_on "$node" pod-tcp "$(pod_netns "$node")" 15 5 "${inside[@]}"
	done
	inside=("udp:$vip4:81/hostname" "udp:[$vip6]:81/hostname")
	begin_on n1 node-udp /proc/1/ns/net 10 5 "${inside[@]}"
	begin_on n1 pod-udp "$(pod_netns n1)" 10 5 "${inside[@]}"
}

declare -A outside_pids

begin_outside() { # NAME OPEN RATE TARGET...
	local log=$C_DIR/outside-$1.log
	(exec nsenter --net=/run/netns/client -- python3 -IS "$steady" -o "$2" -r "$3" "${@:4}") >"$log" 2>&1 &
	outside_pids[$1]=$!
	t_wait_line 30 "$log" '^ready' $! || t_bail "$1 traffic from outside begins" "$(<"$log")"
}

begin_on() { # NODE NAME NETWORK-NAMESPACE OPEN RATE TARGET...
	local log=$C_DIR/$1/$2.log
	rm -f "$log"
	c_spawn "$1" "$2" nsenter --net="$3" -- python3 -IS "$steady" -o "$4" -r "$5" "${@:6}"
	t_wait_line 30 "$log" '^ready' "${c_pids[$1/$2]}" || t_bail "$2 begins on $1" "$(<"$log")"
}

# end_traffic FACT - all of it, after as long again as the longest question may take.
end_traffic() {
	local node name
	t_pause 6
	end_outside "$1" tcp 40
	end_outside "$1" udp 10
	for node in "${c_nodes[@]}"; do
		end_on "$1" "$node" node-tcp 15
		end_on "$1" "$node" pod-tcp 15
	done
	end_on "$1" n1 node-udp 10
	end_on "$1" n1 pod-udp 10
}

end_outside() { # FACT NAME OPEN
	kill "${outside_pids[$2]}"
	wait "${outside_pids[$2]}" || :
	nothing_lost "$1: outside $2" "$3" "$C_DIR/outside-$2.log"
}

end_on() { # FACT NODE NAME OPEN
	c_kill "$2" "$3"
	nothing_lost "$1: $2 $3" "$4" "$C_DIR/$2/$3.log"
}

nothing_lost() { # FACT OPEN LOG
	local result
	result=$(tail -n 1 "$3")
	t_like "$1: $2 open connections, none broken; no new one failed" "$result" \
		"^\{\"open\": $2, \"broken\": 0, \"asked\": [1-9][0-9]*, \"connects\": [1-9][0-9]*, \"failed\": 0,"
	t_diag "$result"
}

# ------------------------------------------------------------------ there

check() { # NODE: sets report and status
	status=0
	report=$(c_svcbpf "$1" migrate check --kubeconfig "$C_AGENT_CONFIG" --node-name "$1" "${@:2}" 2>&1) || status=$?
}

sees() { t_like "$1" "$report" "$2"; }

check_before() { # NODE
	check "$1"
	t_is "$1: migrate check: nothing stands in the way" "$status" 0
	sees "$1: it finds kube-proxy and its file" 'process [0-9]+, configured by /var/lib/kube-proxy/config.conf'
	sees "$1: it knows the mode" "mode: $MIGRATE_MODE, as http://127.0.0.1:10249/proxyMode says"
	case $MIGRATE_MODE in
	nftables) sees "$1: it finds its rules" 'nftables: table ip kube-proxy, [0-9]+ chains' ;;
	*) sees "$1: it finds its rules" 'iptables.*: chain KUBE-SERVICES, IPv4, IPv6' ;;
	esac
	sees "$1: it reads its file" '/var/lib/kube-proxy/config.conf: svcbpf run --config takes it as it is'
	sees "$1: its ports are kube-proxy's" 'port 10256: kube-proxy'
	sees "$1: it compares the Services" '~ default/web: externalTrafficPolicy Cluster'
	[ "$status" = 0 ] || t_diag "$report"
}

# What must not be told by surprise, when kube-proxy has gone.
check_in_the_way() {
	local server
	server=https://$(k_get services/kubernetes | t_json "d['spec']['clusterIP']"):443
	check n1 --server "$server"
	sees "an API server's address that is a Service's is in the way" \
		"! API server: $server is an address of Service default/kubernetes"
	t_is "... and the status says so" "$status" 1
}

is_svcbpf() { [ "$(c_node "$1" curl -sf http://127.0.0.1:10249/proxyMode)" = svcbpf ] && c_node "$1" curl -sf http://127.0.0.1:10256/healthz; }

keep_open() { # NODE
	c_node "$1" nft 'table inet keep-open { chain nat { type nat hook postrouting priority 300; ct state new; }; }'
}

# Ports that status calls taken, of so many problems; "well" without any.
problems() { # NODE
	local status=0 document
	document=$(c_svcbpf "$1" status -o json) || status=$?
	[ $status != 0 ] || { echo well && return; }
	t_json "*sorted(n for n in ('10256', '10249') for p in d['problems'] if f'port {n} is taken' in p),
		'of', len(d['problems'])" <<<"$document"
}

to_svcbpf() { # NODE
	check_before "$1"
	c_agent_start "$1" --config /var/lib/kube-proxy/config.conf
	t_is "$1: svcbpf beside kube-proxy: status names nothing but its two ports" "$(problems "$1")" "10249 10256 of 2"
	t_ok "$1: svcbpf beside kube-proxy: verify" c_svcbpf "$1" verify --kubeconfig "$C_AGENT_CONFIG" --node-name "$1"
	c_proxy_stop "$1"
	keep_open "$1"
	t_ok "$1: kube-proxy's rules are removed by itself" c_proxy_cleanup "$1"
	t_ok "$1: svcbpf serves on kube-proxy's ports" t_wait 20 is_svcbpf "$1"
	check "$1"
	t_is "$1: status: all is well" "$(problems "$1")" well
	sees "$1: no rule of kube-proxy is left" 'rules: nothing of kube-proxy is in the kernel'
	sees "$1: one thing is left to do" 'when what was open before has ended: nft delete table inet keep-open'
}

# ------------------------------------------------------------------ back

has_proxy_rules() { # NODE: the Service is in them
	case $MIGRATE_MODE in
	nftables) c_node "$1" nft list map ip kube-proxy service-ips | grep -qF "$vip4 . tcp . 80" &&
		c_node "$1" nft list map ip6 kube-proxy service-ips | grep -qF "$vip6 . tcp . 80" ;;
	*) c_node "$1" iptables-save -t nat | grep -q -- "-d $vip4/32 .*--dport 80 " &&
		c_node "$1" ip6tables-save -t nat | grep -q -- "-d $vip6/128 .*--dport 80 " ;;
	esac
}

is_kube_proxy() { [ "$(c_node "$1" curl -sf http://127.0.0.1:10249/proxyMode)" = "$MIGRATE_MODE" ]; }

to_kube_proxy() { # NODE
	c_proxy_start "$1" "$MIGRATE_MODE"
	t_ok "$1: kube-proxy writes its rules beside svcbpf" t_wait 60 has_proxy_rules "$1"
	c_agent_stop "$1"
	c_node "$1" mkdir -p /run/none
	t_ok "$1: the Services are taken out of svcbpf's datapath" c_svcbpf "$1" run --once --manifests /run/none \
		--node-name "$1" --healthz-bind-address= --metrics-bind-address=
	t_is "$1: no frontend is left" "$(c_svcbpf "$1" dump -o json | t_json "d['frontends']")" "[]"
	t_ok "$1: kube-proxy has its ports again" t_wait 20 is_kube_proxy "$1"
}

c_up
workload
check_in_the_way
begin_traffic
for node in "${c_nodes[@]}"; do to_svcbpf "$node"; done
end_traffic "to svcbpf"
for node in "${c_nodes[@]}"; do
	c_node "$node" nft delete table inet keep-open
	check "$node"
	sees "$node: nothing is left to do" 'nothing: svcbpf runs, and nothing is left of kube-proxy'
done
begin_traffic
for node in "${c_nodes[@]}"; do to_kube_proxy "$node"; done
t_like "flows that are open are still in the flow table" \
	"$(c_svcbpf n1 dump conntrack --state established -o json | t_json "len(d['flows'])")" '^[1-9]'
end_traffic "back to kube-proxy"
for node in "${c_nodes[@]}"; do
	t_ok "$node: cleanup" c_svcbpf "$node" cleanup
	check "$node"
	sees "$node: kube-proxy is all there is" '  - start svcbpf run beside kube-proxy'
done
begin_traffic
end_traffic "kube-proxy alone again"
# last, as it stays until the node goes
c_node n1 "$T_TOOLS/foreign" /sys/fs/cgroup/unified 2>/dev/null || c_node n1 "$T_TOOLS/foreign" /sys/fs/cgroup
check n1
sees "a program that shares its place with no other is in the way" '! program [0-9]+ .*at connect4: attached so that no other'
t_done
