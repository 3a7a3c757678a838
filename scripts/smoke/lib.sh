# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# What scripts/smoke-checks.sh is made of: facts, places to connect from, the objects it makes. It sets
# $image and $namespace before it calls begin; what its environment means is told there.
#
# A place is "pod/NODE" (a client pod on that node), "node/NODE" (the node itself) or "outside".

n_facts=0 n_failed=0 n_skipped=0

# ------------------------------------------------------------------ facts

diag() { echo "#   ${*//$'\n'/$'\n#   '}"; }

fact() { # ok|"not ok" FACT
	n_facts=$((n_facts + 1))
	echo "$1 $n_facts - $2"
	[ "$1" = ok ] || n_failed=$((n_failed + 1))
}

skip() { # FACT WHY
	n_skipped=$((n_skipped + 1))
	fact ok "$1 # SKIP $2"
}

# is FACT GOT EXPECTED [SERVICE] - when it fails, what is known of the Service is told.
is() {
	if [ "$2" = "$3" ]; then
		fact ok "$1"
		return
	fi
	fact "not ok" "$1"
	diag "got:      $2"$'\n'"expected: $3"
	[ -z "${4:-}" ] || tell_service "$4"
}

succeeds() { # FACT COMMAND...
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		fact ok "$what"
	else
		fact "not ok" "$what"
		diag "$output"
	fi
}

# What the API and each node's kernel have about a Service; for one with many failing facts, twice.
declare -A n_told=()
tell_service() { # SERVICE
	local node
	n_told[$1]=$((${n_told[$1]:-0} + 1))
	[ "${n_told[$1]}" -le 2 ] || return 0
	diag "$(k get "service/$1" -o wide 2>&1)"
	diag "$(k get endpointslices -l "kubernetes.io/service-name=$1" -o wide 2>&1)"
	for node in "${nodes[@]}"; do
		diag "$node, dump: $(svcbpf_on "$node" dump --service "$namespace/$1" 2>&1 | head -n 20)"
	done
}

# eventually SECONDS COMMAND... - until it succeeds; fails at the deadline.
eventually() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.2
	done
}

stop_short() { # MESSAGE - it could not begin
	echo "smoke-checks.sh: $1" >&2
	exit 2
}

# ------------------------------------------------------------------ the cluster

k() { "${kubectl[@]}" -n "$namespace" "$@"; }

has_nodes() { [ ${#to_node[@]} -gt 0 ]; }

on_node() { "${to_node[@]}" "$@"; } # NODE COMMAND...

svcbpf_on() { # NODE ARGUMENTS...
	local node=$1 pod
	shift
	if [ ${#to_svcbpf[@]} -gt 0 ]; then
		"${to_svcbpf[@]}" "$node" "$@"
		return
	fi
	pod=$("${kubectl[@]}" -n kube-system get pods -l k8s-app=svcbpf \
		--field-selector "spec.nodeName=$node" -o name | head -n 1)
	[ -n "$pod" ] || { echo "no pod of svcbpf is on $node" && return 1; }
	"${kubectl[@]}" -n kube-system exec "$pod" -c svcbpf -- svcbpf "$@"
}

from_place() { # PLACE COMMAND...
	local place=$1
	shift
	case $place in
	pod/*) k exec "client-${place#pod/}" -- "$@" ;;
	node/*) on_node "${place#node/}" "$@" ;;
	outside) "${outside[@]}" "$@" ;;
	esac
}

is_inside() { [ "$1" != outside ]; } # PLACE

service_ips() { k get service "$1" -o 'jsonpath={.spec.clusterIPs[*]}'; } # SERVICE

service_ip() { k get service "$1" -o 'jsonpath={.spec.clusterIP}'; } # SERVICE

node_port() { k get service "$1" -o "jsonpath={.spec.ports[?(@.name==\"$2\")].nodePort}"; } # SERVICE PORT-NAME

url() { # ADDRESS PORT
	[[ $1 = *:* ]] && echo "http://[$1]:$2" || echo "http://$1:$2"
}

# ------------------------------------------------------------------ connects

# A connection for each URL: the header keeps curl from using one again.
curl=(curl -sS --noproxy '*' --connect-timeout 5 --max-time 10 -H 'Connection: close')

fetch() { # PLACE URL - what it answers
	from_place "$1" "${curl[@]}" -fg "$2"
}

answers() { # FACT PLACE URL EXPECTED SERVICE
	is "$1" "$(fetch "$2" "$3" 2>&1)" "$4" "$5"
}

# all_answer FACT PLACE SERVICE URL... - the URLs that do not are told.
all_answer() {
	local what=$1 place=$2 service=$3 one words=() answered
	shift 3
	for one; do words+=(-o /dev/null "$one"); done
	answered=$(from_place "$place" "${curl[@]}" -g -w '%{http_code} %{url} %{errormsg}\n' "${words[@]}" \
		2>/dev/null) || :
	is "$what" "$(grep -c '^200 ' <<<"$answered") of $# answer$(grep -v '^200 ' <<<"$answered" | sed 's/^/; /')" \
		"$# of $# answer" "$service"
}

# names PLACE URL N - the different answers to N connects, one a line; the first error ends it.
names() {
	local i urls=()
	for ((i = 0; i < $3; i++)); do urls+=("$2"); done
	from_place "$1" "${curl[@]}" --fail-early -g -w '\n' "${urls[@]}" 2>&1 | sort -u
}

# How many different ones of $web_pods those are; "N, but PLACE says ..." when others are among them.
n_web_pods() { # PLACE URL N
	local answered others
	answered=$(names "$@")
	answered=${answered:-nothing}
	others=$(grep -vxF "$(printf '%s\n' "${web_pods[@]}")" <<<"$answered") || :
	echo "$(wc -l <<<"$answered")${others:+, but $1 says $others}"
}

only_name() { [ "$(names "$1" "$2" 5)" = "$3" ]; } # PLACE URL NAME

# The client's own agnhost sends the datagram and tells what came back.
ask_udp() { # PLACE ADDRESS PORT
	fetch "$1" "http://127.0.0.1:8080/dial?protocol=udp&host=$2&port=$3&request=serverport" 2>&1
}

# "refused at once", or what happened instead.
how_refused() { # PLACE URL
	local code took why
	read -r code took why < <(from_place "$1" "${curl[@]}" -g -o /dev/null \
		-w '%{exitcode} %{time_total} %{errormsg}\n' "$2" 2>/dev/null || :) || :
	if [ "${code:-}" = 7 ] && [ "${took%%[.,]*}" = 0 ]; then
		echo "refused at once"
	else
		echo "curl's status ${code:-?} after ${took:-?} s: ${why:-an answer}"
	fi
}

is_refused() { [ "$(how_refused "$@")" = "refused at once" ]; }

# ------------------------------------------------------------------ connects all the while

# Lines "STATUS WHY" on standard output until the file $2 is there, at most 7 minutes.
# shellcheck disable=SC2016 # expanded there
loop_script='end=$(($(date +%s) + 420))
while [ ! -e "$2" ] && [ "$(date +%s)" -lt $end ]; do
	curl -s --noproxy "*" --connect-timeout 5 --max-time 10 -H "Connection: close" -o /dev/null \
		-w "%{http_code} %{errormsg}\n" "$1?[1-20]"
	sleep 0.1
done
rm -f "$2"'

declare -A loops=()

start_loop() { # PLACE URL
	from_place "$1" sh -c "$loop_script" sh "$2" "$stop_file" >"$scratch/loop-${1//\//-}" 2>&1 &
	loops[$1]=$!
}

end_loop() { # PLACE WHAT
	local lines lost
	from_place "$1" touch "$stop_file"
	wait "${loops[$1]}" || :
	lines=$(grep -c . "$scratch/loop-${1//\//-}") || :
	lost=$(grep -v '^200 ' "$scratch/loop-${1//\//-}" | sort | uniq -c | head -n 10) || :
	is "$1: of the connects to a $2 during a rolling restart, lost" "$lost" '' web
	is "$1: there were at least 100 of them ($lines)" "$([ "$lines" -ge 100 ] && echo yes)" yes
}

# ------------------------------------------------------------------ objects

# A server of $image that goes on answering for a while after it was told to end.
deployment() { # NAME REPLICAS DELAY
	cat <<-YAML
		---
		apiVersion: apps/v1
		kind: Deployment
		metadata: {name: $1, labels: {app: $1}}
		spec:
		  replicas: $2
		  selector: {matchLabels: {app: $1}}
		  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
		  template:
		    metadata: {labels: {app: $1}}
		    spec:
		      terminationGracePeriodSeconds: 30
		      topologySpreadConstraints:
		      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway,
		         labelSelector: {matchLabels: {app: $1}}}
		      containers:
		      - name: http
		        image: $image
		        imagePullPolicy: IfNotPresent
		        args: [netexec, --http-port=8080, --udp-port=8081, --delay-shutdown=$3]
		        readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1}
		      - name: other
		        image: $image
		        imagePullPolicy: IfNotPresent
		        args: [netexec, --http-port=8000, --udp-port=-1, --delay-shutdown=$3]
		        readinessProbe: {httpGet: {path: /hostname, port: 8000}, periodSeconds: 1}
	YAML
}

service() { # NAME SPEC... - each a line of spec
	local name=$1
	shift
	printf -- '---\napiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec:\n' "$name"
	printf '  %s\n' "$@"
}

# Not scheduled but placed: taints are no matter, and each node has one.
client() { # NODE
	cat <<-YAML
		---
		apiVersion: v1
		kind: Pod
		metadata: {name: client-$1, labels: {app: client}}
		spec:
		  nodeName: $1
		  terminationGracePeriodSeconds: 0
		  tolerations: [{operator: Exists}]
		  containers:
		  - name: client
		    image: $image
		    imagePullPolicy: IfNotPresent
		    args: [netexec, --http-port=8080, --udp-port=8081]
	YAML
}

manual_slice() { # ADDRESS
	cat <<-YAML
		apiVersion: discovery.k8s.io/v1
		kind: EndpointSlice
		metadata: {name: manual-1, labels: {kubernetes.io/service-name: manual}}
		addressType: $([[ $1 = *:* ]] && echo IPv6 || echo IPv4)
		ports: [{name: http, port: 8080, protocol: TCP}]
		endpoints: [{addresses: ["$1"], conditions: {ready: true}}]
	YAML
}

objects() {
	local http='{name: http, port: 80, targetPort: 8080}' both='ipFamilyPolicy: PreferDualStack' node
	deployment web 3 15
	deployment single 1 0
	for node in "${nodes[@]}"; do client "$node"; done
	service web 'type: NodePort' 'selector: {app: web}' "$both" \
		"ports: [$http, {name: other, port: 8000, targetPort: 8000}," \
		'        {name: udp, port: 90, targetPort: 8081, protocol: UDP}]'
	service sticky 'type: NodePort' 'selector: {app: web}' "$both" 'sessionAffinity: ClientIP' "ports: [$http]"
	service single 'type: NodePort' 'selector: {app: single}' "$both" "ports: [$http]"
	service manual "ports: [$http]"
	service headless 'selector: {app: web}' 'clusterIP: None' 'ports: [{name: http, port: 8080}]'
	service external 'type: ExternalName' "externalName: web.$namespace.svc.$cluster_domain" "ports: [$http]"
}

find_web_pods() { # sets $web_pods, which are not about to go, and $web_hash of one of them
	local format='{range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}'
	mapfile -t web_pods < <(k get pods -l app=web -o "jsonpath=$format" | awk 'NF == 1 { print $1 }')
	[ ${#web_pods[@]} -gt 0 ] || return 0
	web_hash=$(k get pod "${web_pods[0]}" -o 'jsonpath={.metadata.labels.pod-template-hash}')
}

# ------------------------------------------------------------------ begin and end

read_environment() {
	read -ra kubectl <<<"${KUBECTL:-kubectl}"
	read -ra to_node <<<"${ON_NODE:-}"
	read -ra to_svcbpf <<<"${SVCBPF_ON_NODE:-}"
	outside=()
	[ "${FROM_OUTSIDE:-}" = none ] || read -ra outside <<<"${FROM_OUTSIDE:-env}"
	command -v "${kubectl[0]}" >/dev/null ||
		stop_short "no command '${kubectl[0]}': install kubectl, or set KUBECTL"
	[ ${#outside[@]} = 0 ] || from_place outside curl --version >/dev/null 2>&1 ||
		stop_short "${outside[*]} curl does not run: install curl there, or set FROM_OUTSIDE=none"
}

find_nodes() {
	mapfile -t nodes < <("${kubectl[@]}" get nodes -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
	[ ${#nodes[@]} -gt 0 ] || stop_short "the cluster has no nodes, or '${kubectl[*]} get nodes' fails"
	mapfile -t node_ips < <("${kubectl[@]}" get nodes \
		-o 'jsonpath={range .items[*].status.addresses[?(@.type=="InternalIP")]}{.address}{"\n"}{end}')
	pods=("${nodes[@]/#/pod/}")
	inside=("${pods[@]}")
	! has_nodes || inside+=("${nodes[@]/#/node/}")
	everywhere=("${inside[@]}")
	[ ${#outside[@]} = 0 ] || everywhere+=(outside)
}

# A cluster of one family has no NodePorts on the addresses of the other.
drop_unserved_ips() {
	local families ip kept=()
	families=$(k get service web -o 'jsonpath={.spec.ipFamilies[*]}')
	for ip in "${node_ips[@]}"; do
		[[ " $families " != *" $([[ $ip = *:* ]] && echo IPv6 || echo IPv4) "* ]] || kept+=("$ip")
	done
	node_ips=("${kept[@]}")
	[[ $families = *' '* ]] || skip "both families" "the cluster has $families only"
}

begin() {
	read_environment
	scratch=$(mktemp -d)
	stop_file=/tmp/$namespace-stop-$$
	trap 'rm -rf "$scratch"' EXIT
	find_nodes
	[ -z "$("${kubectl[@]}" get namespace "$namespace" --ignore-not-found -o name)" ] ||
		stop_short "the namespace $namespace exists: delete it, or choose another with --namespace"
	"${kubectl[@]}" create namespace "$namespace" >/dev/null || stop_short "cannot make the namespace $namespace"
	trap 'end' EXIT
	trap 'exit 130' INT TERM HUP
	eventually 30 k get serviceaccount default ||
		stop_short "the namespace $namespace gets no ServiceAccount default"
	cluster_domain=${CLUSTER_DOMAIN:-cluster.local}
	objects | k apply -f - >/dev/null || stop_short "the cluster does not take the test's objects"
	wait_for_pods
	drop_unserved_ips
	find_web_pods
}

wait_for_pods() {
	k wait --for=condition=Ready pod -l app=client --timeout=180s >/dev/null &&
		k rollout status deployment web --timeout=180s >/dev/null &&
		k rollout status deployment single --timeout=180s >/dev/null && return
	diag "$(k get pods -o wide 2>&1)"
	diag "$(k get events --sort-by=.lastTimestamp 2>&1 | tail -n 15)"
	stop_short "the test's pods do not become ready: see above"
}

remove_namespace() {
	"${kubectl[@]}" delete namespace "$namespace" --ignore-not-found --timeout=120s >/dev/null 2>&1 ||
		diag "the namespace $namespace could not be removed in 120 s"
}

end() {
	local pid
	for pid in "${loops[@]}"; do kill "$pid" 2>/dev/null || :; done
	rm -rf "$scratch"
	[ -n "$keep" ] || remove_namespace
}

# The namespace's frontends that a node's kernel still has.
left_of_namespace() { # NODE
	svcbpf_on "$1" dump -o json 2>&1 | tr -d ' \n' | grep -oE "\"service\":\"$namespace/[^\"]*\"" | sort -u || :
}

nothing_is_left() { [ -z "$(left_of_namespace "$1")" ]; } # NODE

finish() {
	echo "$((n_facts - n_failed - n_skipped)) passed, $n_failed failed, $n_skipped skipped"
	exit $((n_failed > 0))
}
