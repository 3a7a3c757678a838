# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script in tests/e2e begins with: "." it after `set -euo pipefail`.
#
# It is tests/net/lib.sh, whose private node (network, mount and PID namespaces without a route out,
# gone with the script) gets a control plane of its own: the etcd, kube-apiserver and
# kube-controller-manager that tests/e2e/build.sh has built.
#
#   $E_DIR  the control plane's files: pki/, etcd/, NAME.log     $E_URL  the API server
#   $E_AGENT_CONFIG  the agent's kubeconfig: the ServiceAccount of scripts/deploy/rbac.yaml
#
# What may be set before: $E_PROGRAMS, what of build.sh has to be built; $E_HOST, the address of the
# API server.

E_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/net/lib.sh
. "$E_HERE/../net/lib.sh"

E_PROGRAMS=${E_PROGRAMS:-control-plane}
E_BIN=$("$E_HERE/build.sh" --folder "$E_PROGRAMS") || t_bail "the $E_PROGRAMS is built: tests/e2e/build.sh $E_PROGRAMS"
E_HOST=${E_HOST:-127.0.0.1}
E_DIR=$T_DIR/control-plane
E_URL=https://$E_HOST:6443
E_ETCD_URL=http://127.0.0.1:2379
E_AGENT_CONFIG=$T_DIR/agent.kubeconfig
export E_DIR E_URL E_ETCD_URL NODE_NAME=n1 PYTHONDONTWRITEBYTECODE=1
declare -A e_pids
# Pods come with the controllers: where there are none, no ServiceAccount has to exist.
e_admission=(--disable-admission-plugins ServiceAccount)

# ------------------------------------------------------------------ certificates

_e_ec=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 -batch)

e_authority() { # NAME - a CA of its own
	openssl req -x509 "${_e_ec[@]}" -subj "/CN=$1" -keyout "$E_DIR/pki/$1.key" -out "$E_DIR/pki/$1.crt" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

e_certificate() { # NAME SUBJECT clientAuth|serverAuth [CA [NAMES]]
	local ca=$E_DIR/pki/${4:-ca}
	openssl req -x509 "${_e_ec[@]}" -subj "$2" -keyout "$E_DIR/pki/$1.key" -out "$E_DIR/pki/$1.crt" \
		-CA "$ca.crt" -CAkey "$ca.key" -addext basicConstraints=critical,CA:FALSE \
		-addext keyUsage=critical,digitalSignature -addext "extendedKeyUsage=$3" \
		-addext "subjectAltName=${5:-DNS:localhost,IP:127.0.0.1}" 2>/dev/null
}

# e_kubeconfig CA USER-LINES - a kubeconfig on standard output. USER-LINES: a YAML flow map.
e_kubeconfig() {
	cat <<-YAML
		apiVersion: v1
		kind: Config
		current-context: test
		clusters:
		- {name: test, cluster: {server: "$E_URL", certificate-authority: "$1"}}
		users:
		- {name: test, user: $2}
		contexts:
		- {name: test, context: {cluster: test, user: test}}
	YAML
}

e_certificate_config() { # NAME - the kubeconfig of a client certificate
	e_kubeconfig "$E_DIR/pki/ca.crt" \
		"{client-certificate: $E_DIR/pki/$1.crt, client-key: $E_DIR/pki/$1.key}"
}

_e_pki() {
	mkdir -p "$E_DIR/pki"
	e_authority ca
	e_certificate server /CN=kube-apiserver serverAuth ca "${e_server_names:-}"
	e_certificate admin /O=system:masters/CN=admin clientAuth
	e_certificate agent /CN=system:serviceaccount:kube-system:svcbpf clientAuth
	openssl ecparam -name prime256v1 -genkey -noout -out "$E_DIR/pki/accounts.key"
	e_certificate_config admin >"$E_DIR/admin.kubeconfig"
	e_certificate_config agent >"$E_AGENT_CONFIG"
}

# ------------------------------------------------------------------ the control plane

_e_start() { # NAME COMMAND...
	local name=$1
	shift
	"$@" >>"$E_DIR/$name.log" 2>&1 </dev/null &
	e_pids[$name]=$!
}

# e_start_etcd [OPTIONS]
e_start_etcd() {
	local peer=http://127.0.0.1:2380
	_e_start etcd "$E_BIN/etcd" --name test --data-dir "$E_DIR/etcd" --log-level warn --unsafe-no-fsync \
		--listen-client-urls "$E_ETCD_URL" --advertise-client-urls "$E_ETCD_URL" \
		--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "test=$peer" \
		--quota-backend-bytes $((4 << 30)) --max-txn-ops 512 --max-request-bytes $((16 << 20)) "$@"
	t_wait 30 curl -sf -o /dev/null "$E_ETCD_URL/readyz" || t_bail "etcd starts" "$(tail -n 5 "$E_DIR/etcd.log")"
}

# e_spawn_api [OPTIONS] - start the API server; e_wait_api waits until it is ready.
e_spawn_api() {
	local pki=$E_DIR/pki
	_e_start api "$E_BIN/kube-apiserver" --etcd-servers "$E_ETCD_URL" \
		--bind-address "$E_HOST" --advertise-address "$E_HOST" --secure-port 6443 --endpoint-reconciler-type none \
		--service-cluster-ip-range 10.96.0.0/15,fd00:96::/108 --service-node-port-range 30000-32767 \
		--client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/server.crt" --tls-private-key-file "$pki/server.key" \
		--service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/accounts.key" \
		--service-account-signing-key-file "$pki/accounts.key" --authorization-mode RBAC \
		"${e_admission[@]}" "$@"
}

# The namespaces are made after the first start; tests use these two.
_e_api_is_ready() {
	[ "$(k_curl "$E_URL/readyz")" = ok ] && k_get namespaces/default >/dev/null && k_get namespaces/kube-system >/dev/null
}

e_wait_api() {
	local deadline=$(($(t_now_ms) + 180000))
	until _e_api_is_ready 2>/dev/null; do
		if [ "$(t_now_ms)" -ge $deadline ] || ! kill -0 "${e_pids[api]}" 2>/dev/null; then
			t_bail "the API server becomes ready" "$(tail -n 5 "$E_DIR/api.log")"
		fi
		_t_tick
	done
}

# e_start_controllers [OPTIONS] - the controller manager, with the controllers that Services need.
e_start_controllers() {
	_e_start controllers "$E_BIN/kube-controller-manager" --kubeconfig "$E_DIR/admin.kubeconfig" \
		--bind-address 127.0.0.1 --leader-elect=false --controllers endpointslice-controller \
		--use-service-account-credentials=false --cluster-cidr 10.244.0.0/16 "$@"
	t_wait 60 curl -sfk -o /dev/null https://127.0.0.1:10257/healthz ||
		t_bail "the controller manager becomes ready" "$(tail -n 5 "$E_DIR/controllers.log")"
}

# e_signal NAME SIGNAL - to etcd, api or controllers; after KILL it is gone.
e_signal() {
	kill "-$2" "${e_pids[$1]}"
	[ "$2" != KILL ] || wait "${e_pids[$1]}" 2>/dev/null || :
}

# e_load SERVICES ENDPOINTS - before e_up: with so many Services in the namespace "load".
e_load() {
	_e_pki
	e_start_etcd
	"$E_HERE/fill.py" load "$1" "$2" || t_bail "etcd is filled"
}

# e_up [API SERVER OPTIONS] - the control plane with Node n1 and what the agent may do.
e_up() {
	if [ -z "${e_pids[etcd]:-}" ]; then
		_e_pki
		e_start_etcd
	fi
	e_spawn_api "$@"
	e_wait_api
	k_apply <"$T_ROOT/scripts/deploy/rbac.yaml"
	k_node
}

# ------------------------------------------------------------------ the API, as its administrator

k_curl() { # CURL OPTIONS... URL
	curl -sS --max-time 60 --cacert "$E_DIR/pki/ca.crt" --cert "$E_DIR/pki/admin.crt" \
		--key "$E_DIR/pki/admin.key" -H 'User-Agent: svcbpf-tests' "$@"
}

# k_url RESOURCE[/NAME[/SUBRESOURCE]] [NAMESPACE]
k_url() {
	local namespaced=namespaces/${2:-default}/
	case ${1%%[/?]*} in
	nodes | namespaces) echo "$E_URL/api/v1/$1" ;;
	endpointslices) echo "$E_URL/apis/discovery.k8s.io/v1/$namespaced$1" ;;
	clusterroles | clusterrolebindings) echo "$E_URL/apis/rbac.authorization.k8s.io/v1/$1" ;;
	*) echo "$E_URL/api/v1/$namespaced$1" ;;
	esac
}

k_get() { k_curl --fail-with-body "$(k_url "$@")"; }

k_delete() { # RESOURCE/NAME [CURL OPTIONS]
	local what=$1
	shift
	k_curl --fail-with-body -o /dev/null -X DELETE "$@" "$(k_url "$what")"
}

# k_merge RESOURCE/NAME[/SUBRESOURCE] JSON - a merge patch: null removes.
k_merge() {
	k_curl --fail-with-body -o /dev/null -X PATCH -H 'Content-Type: application/merge-patch+json' \
		--data-binary "$2" "$(k_url "$1")"
}

# k_apply - what `kubectl apply --server-side` does, status included: YAML documents on standard input.
k_apply() {
	local document kind name namespace folder
	folder=$(mktemp -d -p "$T_DIR")
	awk -v folder="$folder" '/^---/ { n++; next } { print > sprintf("%s/%03d", folder, n) }'
	for document in "$folder"/*; do
		kind=$(sed -nE 's/^kind: *([A-Za-z]+).*/\1/p' "$document")
		[ -n "$kind" ] || continue
		name=$(_k_meta name "$document")
		namespace=$(_k_meta namespace "$document")
		_k_put "${kind,,}s/$name" "$document" "$namespace"
		! grep -q ^status: "$document" || _k_put "${kind,,}s/$name/status" "$document" "$namespace"
	done
	rm -r "$folder"
}

_k_meta() { # KEY FILE - of the object's metadata, in block or flow style
	awk '/^metadata:/ { inside = 1 } /^[a-z]/ && !/^metadata:/ { inside = 0 } inside' "$2" |
		sed -nE "s/.*(^|[ {])$1: *\"?([A-Za-z0-9.:-]+).*/\2/p" | head -n 1
}

_k_put() { # WHAT FILE NAMESPACE
	local answer
	answer=$(k_curl --fail-with-body -X PATCH -H 'Content-Type: application/apply-patch+yaml' \
		--data-binary "@$2" "$(k_url "$1" "$3")?fieldManager=test&force=true") ||
		t_bail "$1 is applied" "$answer"
}

# k_service NAME KEY=VALUE... - as t_service, to the API; what the last call had and this has not, goes.
k_service() {
	t_service "$@"
	k_apply <"$T_MANIFESTS/$1.yaml"
	for family in ipv4 ipv6; do
		grep -q "^  name: $1-$family$" "$T_MANIFESTS/$1.yaml" || k_delete "endpointslices/$1-$family" 2>/dev/null || :
	done
}

k_remove_service() { # NAME
	k_delete "services/$1"
	k_delete "endpointslices/$1-ipv4" 2>/dev/null || :
	k_delete "endpointslices/$1-ipv6" 2>/dev/null || :
}

k_node() {
	k_apply <<-YAML
		apiVersion: v1
		kind: Node
		metadata: {name: $NODE_NAME, labels: {topology.kubernetes.io/zone: zone-a, kubernetes.io/hostname: $NODE_NAME}}
		status:
		  addresses: [{type: InternalIP, address: 127.0.0.1}]
	YAML
}

# ------------------------------------------------------------------ the agent

# e_spawn_agent [OPTIONS] - start `svcbpf run`; e_wait_agent waits until it says READY.
e_spawn_agent() {
	e_ready=$T_DIR/ready.$RANDOM
	: >"$e_ready"
	"$SVCBPF" run --kubeconfig "$E_AGENT_CONFIG" --cgroup "$T_CGROUP" --pin-dir "$T_PINS" \
		--state-dir "$T_DIR/state" --ready-fd 9 -v "$@" >>"$T_DIR/agent.log" 2>&1 9>"$e_ready" &
	t_agent_pid=$!
}

e_wait_agent() { # [SECONDS]
	t_wait_line "${1:-60}" "$e_ready" . "$t_agent_pid"
}

e_start_agent() {
	e_spawn_agent "$@"
	e_wait_agent || t_bail "svcbpf run --kubeconfig becomes ready"
}

# The same facts about the kernel as in tests/net, the plan from the API.
t_plan() { "$SVCBPF" plan --kubeconfig "$E_DIR/admin.kubeconfig" "$@"; }

# What the agent has logged since the last e_mark.
e_mark() { e_marked=$(stat -c %s "$T_DIR/agent.log"); }
e_since() { tail -c "+$((e_marked + 1))" "$T_DIR/agent.log"; }

# ------------------------------------------------------------------ connects all the while

# e_start_loop NAME CONNLOOP-ARGUMENTS... - in the background, until e_end_loop.
e_start_loop() {
	local name=$1
	shift
	t_exec "$T_TOOLS/connloop" -n 100000000 -d 600 "$@" >"$T_DIR/loop-$name" 2>&1 &
	e_pids[loop-$name]=$!
}

# e_end_loop NAME LEAST - none failed, was untranslated or went to a wrong backend.
e_end_loop() {
	local report n
	kill "${e_pids[loop-$1]}" 2>/dev/null || :
	wait "${e_pids[loop-$1]}" 2>/dev/null || :
	report=$(<"$T_DIR/loop-$1")
	n=$(t_json 'd["connects"]' <<<"$report") || t_bail "the loop $1 has a report" "$report"
	t_is "$1: of $n connects, failed, untranslated and wrong" \
		"$(t_json 'd["failed"], d["untranslated"], d["wrong"]' <<<"$report")" "0 0 0"
	t_ok "$1: at least $2 connects ($n)" [ "$n" -ge "$2" ]
	[ "$(t_json 'd["ok"]' <<<"$report")" = "$n" ] || t_diag "$report"
}

# ------------------------------------------------------------------ a Service that never changes

# e_stable - make it: its connects are what no fault may break.
e_stable() {
	t_addresses 10.244.0.1 10.244.0.2 10.244.9.1 10.244.9.2 fd00:244::1
	t_answer 10.244.0.1:8080 10.244.0.2:8080 10.244.9.1:8080 10.244.9.2:8080 "[fd00:244::1]:8080"
	k_service stable ip=10.96.0.10,fd00:96::10 proto=TCP,UDP nodeport=30080 \
		backends=10.244.0.1,10.244.0.2,fd00:244::1
}

e_start_stable_loops() {
	e_start_loop TCP -r "$(t_scaled 600)" 10.96.0.10:80=10.244.0. '[fd00:96::10]:80=[fd00:244::1]' \
		10.244.0.1:30080=10.244.0.
	e_start_loop UDP -u -r "$(t_scaled 300)" 10.96.0.10:80=10.244.0. '[fd00:96::10]:80=[fd00:244::1]'
}

e_end_stable_loops() {
	e_end_loop TCP 100
	e_end_loop UDP 100
}

# ------------------------------------------------------------------ in step again

e_answers() { [ "$(t_name "$1")" = "$2" ]; } # VIP:PORT BACKEND

# e_in_step FACT SINCE-MS - a change that is made now is what connects get, and the kernel holds all
# that the API has, at most 5 s after SINCE-MS. After e_stable.
e_in_step() {
	local took
	[ "$e_probe" = 10.244.9.1 ] && e_probe=10.244.9.2 || e_probe=10.244.9.1
	k_service probe ip=10.96.9.9 backends=$e_probe
	t_wait 40 e_answers 10.96.9.9:80 $e_probe:8080 || :
	t_wait 10 t_is_synced || :
	took=$(($(t_now_ms) - $2))
	t_is "$1: a new change is in force" "$(t_name 10.96.9.9:80)" $e_probe:8080
	t_is "$1: the kernel holds the plan" "$(diff <(t_plan -o json 2>&1) <(t_dump -o json 2>&1) | head -n 20)" ""
	t_ok "$1: in step after $took ms, at most 5000" [ $took -le 5000 ]
}
e_probe=
