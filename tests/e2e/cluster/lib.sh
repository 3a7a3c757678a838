# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script in tests/e2e/cluster begins with: "." it after `set -euo pipefail`, then c_up.
#
# A real Kubernetes cluster on tests/e2e/lib.sh: the private namespaces of the script are its control
# plane, and a switch to which nodes and a client outside the cluster are connected. Nodes (node.sh)
# run containerd, kubelet, CNI plugins and, as the only Service implementation, svcbpf; CoreDNS runs in
# pods, and so answers only when Services work. There is no route out. All of it ends with the
# script, also when that is killed.
#
#                 br0 172.18.0.1, fd00:172:18::1  (control plane)
#         ┌─────────────────┬──────────────────┬───────── ─ ─
#    client .100           n1 .11             n2 .12             Services 10.96.0.0/15, fd00:96::/108
#                           └ cni0 ─ pods      └ cni0 ─ pods     pods 10.244.0.0/16, fd00:10:244::/56
#
#   $C_DIR  scratch folder; $C_DIR/NODE/NAME.log are the logs       ${c_nodes[@]}  the nodes
#   ${c_ip4[NAME]} ${c_ip6[NAME]}  addresses of nodes and "client"
#   ${c_pods4[NODE]} ${c_pods6[NODE]}  the addresses of the node's pods, as given by the control plane
#   ${c_images[NAME]}  images that all nodes have: agnhost busybox coredns pause
#   $C_AGENT_CONFIG  the kubeconfig of the agent's ServiceAccount
#
# Needs what `make e2e-cluster-build` makes, and the packages of `SVCBPF_DEPS=cluster scripts/deps.sh`.
# Environment: C_DATAPLANE=svcbpf|none|nftables|iptables, what c_up starts on the nodes (default
# svcbpf); C_LOGS=FOLDER, where the logs are copied at the end.

C_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
E_PROGRAMS=cluster E_HOST=172.18.0.1
# shellcheck source=tests/e2e/lib.sh
. "$C_HERE/../lib.sh"
# shellcheck source=tests/e2e/cluster/node.sh
. "$C_HERE/node.sh"

C_DIR=$T_DIR/cluster
C_AGENT_CONFIG=$C_DIR/svcbpf.kubeconfig
C_DATAPLANE=${C_DATAPLANE:-svcbpf}
export KUBECACHEDIR=$T_DIR/kubectl

# ------------------------------------------------------------------ the switch

# _c_connect NAME - a network namespace on the switch, with its addresses.
_c_connect() {
	ip netns add "$1"
	ip link add "s-$1" type veth peer name eth0 netns "$1"
	ip link set "s-$1" master br0 up
	_c_sysctl "$1" net/ipv4/ip_forward=1 net/ipv6/conf/all/forwarding=1 net/ipv6/conf/default/forwarding=1 \
		net/ipv6/conf/all/accept_dad=0 net/ipv6/conf/default/accept_dad=0
	ip -n "$1" link set lo up
	ip -n "$1" addr add "${c_ip4[$1]}/24" dev eth0
	ip -n "$1" -6 addr add "${c_ip6[$1]}/64" dev eth0 nodad
	ip -n "$1" link set eth0 up
	ip -n "$1" route add default via 172.18.0.1
	ip -n "$1" -6 route add default via fd00:172:18::1
}

_c_sysctl() { # NAME KEY=VALUE... - in that network namespace
	local name=$1
	shift
	# shellcheck disable=SC2016 # for the inner shell
	nsenter --net="/run/netns/$name" -- bash -c 'for s; do echo "${s#*=}" >"/proc/sys/${s%%=*}"; done' - "$@"
}

_c_switch() {
	local key
	ip link add br0 type bridge
	ip addr add 172.18.0.1/24 dev br0
	ip addr add fd00:172:18::1/64 dev br0 nodad
	ip link set br0 up
	echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	# A switch, not a firewall: what the nodes send each other passes no rules here.
	for key in /proc/sys/net/bridge/bridge-nf-call-ip{,6}tables; do
		[ ! -e "$key" ] || echo 0 >"$key"
	done
	_c_connect client
}

# _c_route NODE - the way to its pods, for everybody else on the switch.
_c_route() {
	local other
	ip route replace "${c_pods4[$1]}" via "${c_ip4[$1]}"
	ip -6 route replace "${c_pods6[$1]}" via "${c_ip6[$1]}"
	for other in client "${c_nodes[@]}"; do
		[ "$other" != "$1" ] || continue
		ip -n "$other" route replace "${c_pods4[$1]}" via "${c_ip4[$1]}"
		ip -n "$other" -6 route replace "${c_pods6[$1]}" via "${c_ip6[$1]}"
	done
}

c_client() { # COMMAND... - on the client outside the cluster
	nsenter --net=/run/netns/client -- "$@"
}

# ------------------------------------------------------------------ the control plane

_c_control_plane() {
	local pki=$E_DIR/pki
	e_server_names=IP:127.0.0.1,IP:$E_HOST,IP:10.96.0.1,IP:fd00:96::1,DNS:localhost,DNS:kubernetes
	e_server_names+=,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
	e_admission=()
	_e_pki
	e_certificate kubelet-client /O=system:masters/CN=kubelet-client clientAuth
	e_certificate proxy /CN=system:kube-proxy clientAuth
	e_certificate_config proxy >"$C_DIR/kube-proxy.kubeconfig"
	openssl pkey -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub"
	e_start_etcd
	e_spawn_api --authorization-mode Node --endpoint-reconciler-type lease --allow-privileged \
		--kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
		--kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP
	e_wait_api
	e_start_controllers --controllers '*' --root-ca-file "$pki/ca.crt" \
		--service-account-private-key-file "$pki/accounts.key" --allocate-node-cidrs \
		--cluster-cidr 10.244.0.0/16,fd00:10:244::/56 --node-cidr-mask-size-ipv4 24 --node-cidr-mask-size-ipv6 64 \
		--service-cluster-ip-range 10.96.0.0/15,fd00:96::/108 --kube-api-qps 100 --kube-api-burst 200
	_e_start scheduler "$E_BIN/kube-scheduler" --kubeconfig "$E_DIR/admin.kubeconfig" \
		--bind-address 127.0.0.1 --leader-elect=false
	c_kubectl apply -f "$T_ROOT/scripts/deploy/rbac.yaml" >"$E_DIR/kubectl.log"
	_c_agent_config
}

# What an operator makes for an agent outside pods: the ServiceAccount's token in a file.
_c_agent_config() {
	c_kubectl -n kube-system create token svcbpf --duration 24h >"$C_DIR/svcbpf.token"
	e_kubeconfig "$E_DIR/pki/ca.crt" "{tokenFile: $C_DIR/svcbpf.token}" >"$C_AGENT_CONFIG"
}

c_kubectl() { # ARGUMENTS... - as administrator
	"$E_BIN/kubectl" --kubeconfig "$E_DIR/admin.kubeconfig" "$@"
}

c_pod_exec() { # NAMESPACE/POD COMMAND...
	local pod=$1
	shift
	c_kubectl -n "${pod%%/*}" exec "${pod#*/}" -- "$@"
}

# c_pods_ready NAMESPACE SELECTOR [SECONDS] - wait until there are such pods, and all of them are Ready.
c_pods_ready() {
	t_wait "${3:-120}" _c_pods_ready "$1" "$2"
}

_c_pods_ready() {
	c_kubectl -n "$1" get pods -l "$2" -o json | t_json "sys.exit(not d['items'] or not all(
		any(c['type'] == 'Ready' and c['status'] == 'True' for c in p['status'].get('conditions', ()))
		for p in d['items']))"
}

# ------------------------------------------------------------------ all of it

# c_up [NODE...] - the whole cluster (default: n1 n2). Names are n1 to n9.
c_up() {
	local node
	mkdir -p "$C_DIR"
	trap _c_keep_logs EXIT
	_c_check_programs
	_c_load_images
	_c_switch
	_c_control_plane
	[ $# -gt 0 ] || set -- n1 n2
	for node; do
		c_node_create "$node"
	done
	for node; do
		c_node_join "$node"
	done
	[ "$C_DATAPLANE" = none ] || c_dns_up
}

# c_add NODE - one more node in a running cluster.
c_add() {
	local other
	c_node_create "$1"
	for other in "${c_nodes[@]}"; do
		[ "$other" = "$1" ] || _c_route "$other"
	done
	c_node_join "$1"
}

# c_dns_up - CoreDNS in pods, reached through its Service alone; waits until it answers.
c_dns_up() {
	sed "s|IMAGE|${c_images[coredns]}|" "$C_HERE/coredns.yaml" | c_kubectl apply -f - >>"$E_DIR/kubectl.log"
	c_pods_ready kube-system k8s-app=kube-dns || t_bail "CoreDNS becomes ready" "$(_c_pods_state kube-system)"
	t_wait 20 _c_dns_answers || t_bail "CoreDNS answers through its Service" \
		"$(c_node "${c_nodes[0]}" dig @10.96.0.10 kubernetes.default.svc.cluster.local 2>&1)"
}

_c_dns_answers() {
	local node name=kubernetes.default.svc.cluster.local
	for node in "${c_nodes[@]}"; do
		[ "$(c_node "$node" dig +short +tries=1 +timeout=1 @10.96.0.10 $name)" = 10.96.0.1 ] || return 1
	done
}

_c_pods_state() { # NAMESPACE - for a diagnosis
	c_kubectl -n "$1" get pods -o wide
	c_kubectl -n "$1" get events --sort-by .lastTimestamp | tail -n 10
}

_c_check_programs() {
	local program missing=''
	for program in containerd ctr runc pgrep /usr/lib/cni/bridge; do
		command -v "$program" >/dev/null || missing+=" $program"
	done
	[ -z "$missing" ] || t_bail "what nodes run is installed" "missing:$missing; SVCBPF_DEPS=cluster scripts/deps.sh installs it"
}

_c_load_images() {
	local name image
	C_IMAGE_FOLDER=$("$C_HERE/images.sh") || t_bail "the images are made"
	while read -r name image; do
		c_images[$name]=$image
	done <"$C_IMAGE_FOLDER/names"
}

_c_keep_logs() {
	local log
	[ -n "${C_LOGS:-}" ] || return 0
	(cd "$T_DIR" && find cluster control-plane -maxdepth 2 -type f -name '*.log') | while read -r log; do
		install -D "$T_DIR/$log" "$C_LOGS/$log"
	done
}
