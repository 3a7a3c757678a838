#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What Kubernetes' own tests leave out: Services from and to the nodes themselves, by all their
# addresses, over IPv4 and IPv6, TCP and UDP; backends that ask for themselves; kubelet's probes of
# addresses that are VIPs; and clients that know the pods, as ingress controllers do.
set -euo pipefail
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

# ------------------------------------------------------------------ pods and Services

# pod NAME NODE APP [SPEC LINE...] - answers TCP and UDP on port 8080 with its host name. The lines are
# of its container, and "hostNetwork" (then the port is 18080). What listens on UDP without an address
# answers from any of its host's: such a server on host network names them.
pod() {
	local name=$1 node=$2 app=$3 port=8080 host=false udp='' line lines=()
	shift 3
	for line; do
		if [ "$line" = hostNetwork ]; then
			host=true port=18080 udp=", \"--udp-listen-addresses=${c_ip4[$node]},${c_ip6[$node]}\""
		else
			lines+=("    $line")
		fi
	done
	c_kubectl apply -f - >>"$E_DIR/kubectl.log" <<-YAML
		apiVersion: v1
		kind: Pod
		metadata: {name: $name, labels: {app: $app}}
		spec:
		  nodeName: $node
		  hostNetwork: $host
		  dnsPolicy: ClusterFirstWithHostNet
		  terminationGracePeriodSeconds: 0
		  containers:
		  - name: web
		    image: ${c_images[agnhost]}
		    args: ["netexec", "--http-port=$port", "--udp-port=$port"$udp]
		$(printf '%s\n' "${lines[@]}")
	YAML
}

# service NAME APP TARGET [SPEC LINE...] - dual-stack, port 80.
service() {
	local name=$1 app=$2 target=$3
	shift 3
	c_kubectl apply -f - >>"$E_DIR/kubectl.log" <<-YAML
		apiVersion: v1
		kind: Service
		metadata: {name: $name}
		spec:
		  selector: {app: $app}
		  type: NodePort
		  ipFamilyPolicy: RequireDualStack
		  ports:
		  - {name: tcp, port: 80, targetPort: $target, protocol: TCP}
		  - {name: udp, port: 80, targetPort: $target, protocol: UDP}
		$(printf '  %s\n' "$@")
	YAML
}

field() { c_kubectl get "$1" -o "jsonpath={$2}" && echo; } # OBJECT PATH
addresses_of() { field "pod/$1" '.status.podIPs[*].ip'; }

# frontends SERVICE - its ClusterIPs as "PROTOCOL/ADDRESS/PORT", both protocols.
frontends() {
	local address
	for address in $(field "service/$1" '.spec.clusterIPs[*]'); do
		echo "tcp/$address/80 udp/$address/80"
	done
}

# node_ports SERVICE ADDRESS... - its NodePorts there.
node_ports() {
	local address tcp udp
	read -r tcp udp < <(field "service/$1" '.spec.ports[*].nodePort')
	shift
	for address; do
		echo "tcp/$address/$tcp udp/$address/$udp"
	done
}

# all_addresses NODE - every address that the node has, but link-local ones.
all_addresses() {
	c_node "$1" ip -j addr | t_json "*[a['local'] for i in d for a in i['addr_info'] if a['scope'] != 'link']"
}

# ------------------------------------------------------------------ clients

# Runs on the client: prints "TARGET HOSTNAME" for each.
# shellcheck disable=SC2016 # for the inner shell
client='for target; do
	IFS=/ read -r protocol host port <<<"$target"
	case $protocol in
	tcp) case $host in *:*) host=[$host] ;; esac
		name=$(curl -s -m 3 "http://$host:$port/hostname") ;;
	udp) exec 3<>/dev/udp/$host/$port
		name=$(echo hostname >&3 && timeout 3 dd bs=512 count=1 <&3 2>/dev/null) ;;
	esac
	echo "$target ${name:-nobody}"
done'

# all_answer FACT NAMES RUNNER... -- TARGET... - each is answered, by one of NAMES (a pattern).
all_answer() {
	local fact=$1 names=$2 runner=() answers n
	shift 2
	while [ "$1" != -- ]; do
		runner+=("$1")
		shift
	done
	shift
	[ $# -gt 0 ] || t_bail "$fact: there are targets"
	answers=$("${runner[@]}" bash -c "$client" - "$@" 2>&1) || :
	n=$(grep -cE "/.* ($names)\$" <<<"$answers") || :
	t_is "$fact: how many of $# targets $names answers" "$n" $#
	[ "$n" = $# ] || t_diag "$(grep -Ev " ($names)\$" <<<"$answers")"
}

from_pod() { # POD COMMAND...
	local pod=$1
	shift
	c_pod_exec "default/$pod" "$@"
}

# ------------------------------------------------------------------ the cluster

c_up
pod web-1 n1 web
pod web-2 n2 web
pod host-1 n1 host hostNetwork
pod host-2 n2 host hostNetwork
pod self n1 self
c_kubectl label pod host-1 only=host-1 >>"$E_DIR/kubectl.log"
service web web 8080 "externalIPs: [\"${c_ip4[n1]}\", \"${c_ip6[n1]}\", 203.0.113.9, \"2001:db8:9::9\"]"
service host host 18080
service self self 8080 'externalIPs: [203.0.113.10]'
service own host 18080 'selector: {app: host, only: host-1}'
c_pods_ready default "app in (web,host,self)" || t_bail "the pods are ready" "$(_c_pods_state default)"
in_step() { c_svcbpf "$1" verify --kubeconfig "$C_AGENT_CONFIG" --node-name "$1"; }
for node in n1 n2; do
	t_ok "svcbpf on $node is in step" t_wait 20 in_step $node
done
# shellcheck disable=SC2046 # lists of words from here on
set -- $(all_addresses n1)
t_diag "addresses of n1: $*"
t_ok "n1 has addresses of both families on three devices" [ $# -ge 6 ]
read -ra everywhere < <(printf '%s\n' "$@" | grep -vxE '127.0.0.1|::1' | paste -sd ' ')

# ------------------------------------------------------------------ nodes and host network

mapfile -t targets < <(frontends web | tr ' ' '\n')
all_answer "node n1 to ClusterIPs" 'web-[12]' c_node n1 -- "${targets[@]}"
all_answer "pod to ClusterIPs" 'web-[12]' from_pod self -- "${targets[@]}"
all_answer "pod on host network to ClusterIPs" 'web-[12]' from_pod host-1 -- "${targets[@]}"
mapfile -t targets < <(frontends host | tr ' ' '\n')
all_answer "pod to pods on host network" 'n[12]' from_pod self -- "${targets[@]}"
all_answer "node n2 to pods on host network" 'n[12]' c_node n2 -- "${targets[@]}"

# own: the only backend is n1 itself.
mapfile -t targets < <({ frontends own && node_ports own "${everywhere[@]}" 127.0.0.1 ::1; } | tr ' ' '\n')
all_answer "node n1 to itself, by ClusterIP and NodePort" n1 c_node n1 -- "${targets[@]}"
all_answer "pod on n1's host network to itself" n1 from_pod host-1 -- "${targets[@]}"
mapfile -t targets < <({ frontends own && node_ports own "${everywhere[@]}"; } | tr ' ' '\n')
all_answer "pod on n1 to its node" n1 from_pod self -- "${targets[@]}"
all_answer "node n2 to n1" n1 c_node n2 -- "${targets[@]}"

for node in n1 n2; do
	t_is "node $node reaches the API server by its Service" "$(c_node $node curl -ks -m 5 https://10.96.0.1/healthz)" ok
	t_is "... so does a pod on it, by name" \
		"$(from_pod "web-${node#n}" curl -ks -m 5 https://kubernetes.default.svc.cluster.local/healthz)" ok
done

# ------------------------------------------------------------------ NodePorts

mapfile -t targets < <(node_ports web "${everywhere[@]}" 127.0.0.1 ::1 | tr ' ' '\n')
all_answer "NodePort from the node itself, every address" 'web-[12]' c_node n1 -- "${targets[@]}"
all_answer "NodePort from a pod on host network, every address" 'web-[12]' from_pod host-1 -- "${targets[@]}"
mapfile -t targets < <(node_ports web "${everywhere[@]}" | tr ' ' '\n')
all_answer "NodePort from the other node, every address" 'web-[12]' c_node n2 -- "${targets[@]}"
all_answer "NodePort from a pod on the node" 'web-[12]' from_pod web-1 -- "${targets[@]}"
all_answer "NodePort from a pod on the other node" 'web-[12]' from_pod web-2 -- "${targets[@]}"
all_answer "NodePort from outside, every address" 'web-[12]' c_client -- "${targets[@]}"

# ------------------------------------------------------------------ the client is the only backend

mapfile -t targets < <({
	frontends self
	node_ports self "${everywhere[@]}" "${c_ip4[n2]}" "${c_ip6[n2]}"
	echo tcp/203.0.113.10/80 udp/203.0.113.10/80
} | tr ' ' '\n')
all_answer "a pod that is its Service's only backend" self from_pod self -- "${targets[@]}"

# ------------------------------------------------------------------ externalIPs that are a node's addresses

targets=("tcp/${c_ip4[n1]}/80" "udp/${c_ip4[n1]}/80" "tcp/${c_ip6[n1]}/80" "udp/${c_ip6[n1]}/80")
for from in "c_node n1" "c_node n2" c_client "from_pod self" "from_pod host-1"; do
	# shellcheck disable=SC2086 # words
	all_answer "externalIP that is n1's address, $from" 'web-[12]' $from -- "${targets[@]}"
done
targets=(tcp/203.0.113.9/80 udp/203.0.113.9/80 tcp/2001:db8:9::9/80 udp/2001:db8:9::9/80)
for from in "c_node n1" "from_pod self" "from_pod host-1"; do
	# shellcheck disable=SC2086
	all_answer "externalIP that nobody has, $from" 'web-[12]' $from -- "${targets[@]}"
done

# ------------------------------------------------------------------ kubelet's probes

# probed NAME HOST PORT [LINE] - a pod on n1 that is Ready when what it names answers.
probed() {
	local name=$1 host=$2 port=$3
	shift 3
	pod "$name" n1 probed "readinessProbe: {httpGet: {host: \"$host\", port: $port, path: /hostname}, periodSeconds: 1}" "$@"
}
read -r node_port _ < <(field service/web '.spec.ports[*].nodePort')
cluster_ip=$(field service/web .spec.clusterIP)
probed probe-nodeport "${c_ip4[n1]}" "$node_port"
probed probe-nodeport-other "${c_ip4[n2]}" "$node_port"
probed probe-clusterip "$cluster_ip" 80
probed probe-externalip "${c_ip4[n1]}" 80
probed probe-nobody "$cluster_ip" 81
pod probe-own n1 probed "readinessProbe: {httpGet: {port: 8080, path: /hostname}, periodSeconds: 1}"
pod probe-lifecycle n1 probed "livenessProbe: {tcpSocket: {host: 127.0.0.1, port: $node_port}, periodSeconds: 1}"
ready() { field "pod/$1" '.status.conditions[?(@.type=="Ready")].status'; }
is_ready() { ready "$1" | grep -qx True; }
for name in nodeport nodeport-other clusterip externalip own lifecycle; do
	t_ok "a pod whose probe is $name is Ready" t_wait 60 is_ready probe-$name
done
t_is "a pod whose probe is a port that no Service has: runs, Ready" \
	"$(field pod/probe-nobody .status.phase) $(ready probe-nobody)" "Running False"
t_is "no probe has restarted anything" "$(field pods '.items[*].status.containerStatuses[*].restartCount' | tr ' ' '\n' | sort -u)" 0
# A pod on host network is probed at its node's address, which is a VIP with other ports here.
c_kubectl delete pod host-2 --wait=true >>"$E_DIR/kubectl.log"
pod host-2 n2 host hostNetwork "readinessProbe: {httpGet: {port: 18080, path: /hostname}, periodSeconds: 1}"
t_ok "a pod on host network is Ready by a probe of the node's address" t_wait 60 is_ready host-2

# ------------------------------------------------------------------ who watches endpoints itself

# An ingress controller asks the API by its Service, and goes straight to the pods.
c_kubectl create clusterrolebinding ingress --clusterrole view --serviceaccount default:default >>"$E_DIR/kubectl.log"
account=/var/run/secrets/kubernetes.io/serviceaccount
slices=$(from_pod self bash -c "curl -s -m 10 --cacert $account/ca.crt -H \"Authorization: Bearer \$(cat $account/token)\" \
	'https://kubernetes.default.svc/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=web'")
mapfile -t addresses < <(t_json "*sorted(a for s in d['items'] for e in s['endpoints'] for a in e['addresses'])" <<<"$slices" | tr ' ' '\n')
t_is "it finds the endpoints" "$(printf '%s\n' "${addresses[@]}" | sort)" \
	"$(for name in web-1 web-2; do addresses_of $name | tr ' ' '\n'; done | sort)"
for name in web-1 web-2; do
	targets=()
	for address in $(addresses_of $name); do
		targets+=("tcp/$address/8080" "udp/$address/8080")
	done
	for from in "from_pod self" "from_pod host-1" "c_node n1" "c_node n2" c_client; do
		# shellcheck disable=SC2086
		all_answer "straight to $name, $from" $name $from -- "${targets[@]}"
	done
done

for node in n1 n2; do
	t_ok "svcbpf on $node says that all is well" t_wait 20 c_svcbpf $node status
	t_ok "... and verifies" t_wait 20 in_step $node
done
t_done
