# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script in tests/net begins with: "." it after `set -euo pipefail`.
#
# The script runs again as the first process of its own network, mount and PID namespaces: "the
# node". When it ends, however it ends, the kernel ends every process in it and takes back the
# network namespaces, the bpffs and the files; only the cgroup is a folder that is removed here, or
# by t_reap in a later run when this one was killed. Nothing in the namespaces has a route out.
#
#   $T_DIR  scratch folder (tmpfs)     $T_PINS   pin dir on a private bpffs
#   $T_MANIFESTS  folder of manifests  $T_CGROUP the cgroup of agent and clients
#   $T_TOOLS  the C tools              $SVCBPF   the binary

T_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
T_BUILD=${O:-build}
case $T_BUILD in /*) ;; *) T_BUILD=$T_ROOT/$T_BUILD ;; esac
T_TOOLS=$T_BUILD/tests/net
SVCBPF=$T_BUILD/svcbpf
BPFTOOL=${BPFTOOL:-$(command -v bpftool || echo /usr/sbin/bpftool)}

# ------------------------------------------------------------------ TAP

t_n=0 t_n_failed=0

_t_result() { # ok|"not ok" FACT
	t_n=$((t_n + 1))
	echo "$1 $t_n - $2"
	[ "$1" = ok ] || t_n_failed=$((t_n_failed + 1))
}

# Lines for people below a failing fact.
t_diag() { echo "# ${*//$'\n'/$'\n# '}"; }

# t_ok FACT COMMAND... - the fact holds when the command succeeds; its output is shown when not.
t_ok() {
	local fact=$1 output
	shift
	if output=$("$@" 2>&1); then
		_t_result ok "$fact"
	else
		_t_result "not ok" "$fact"
		t_diag "command: $*"
		[ -z "$output" ] || t_diag "$output"
	fi
}

# t_is FACT GOT EXPECTED
t_is() {
	if [ "$2" = "$3" ]; then
		_t_result ok "$1"
	else
		_t_result "not ok" "$1"
		t_diag "got:      $2"
		t_diag "expected: $3"
	fi
}

# t_like FACT GOT PATTERN - extended regular expression
t_like() {
	if grep -Eq -- "$3" <<<"$2"; then
		_t_result ok "$1"
	else
		_t_result "not ok" "$1"
		t_diag "got:       $2"
		t_diag "not like:  $3"
	fi
}

t_skip() { _t_result ok "$1 # SKIP $2"; }

# t_tap COMMAND... - take over the facts of a tool that prints TAP.
t_tap() {
	local line n=0
	while IFS= read -r line; do
		case $line in
		"ok "*) _t_result ok "${line#* - }" && n=$((n + 1)) ;;
		"not ok "*) _t_result "not ok" "${line#* - }" && n=$((n + 1)) ;;
		*) echo "$line" ;;
		esac
	done < <("$@" 2>&1)
	[ "$n" -gt 0 ] || _t_result "not ok" "$1 says something"
}

# Whole script not applicable here.
t_skip_all() {
	t_skip "$(basename "$0" .sh)" "$1"
	t_done
}

t_done() {
	echo "1..$t_n"
	exit $((t_n_failed > 0))
}

t_bail() { # FACT [DIAGNOSIS] - something that all other facts rest on has failed
	_t_result "not ok" "$1"
	[ -z "${2:-}" ] || t_diag "$2"
	[ ! -s "$T_DIR/agent.log" ] || t_diag "$(tail -n 20 "$T_DIR/agent.log")"
	t_done
}

# t_scaled N - how often to do something: less on slow machines (NET_SCALE=10: a tenth).
t_scaled() { echo $(($1 / ${NET_SCALE:-1})); }

# t_is_slow - whether this is such a machine: scripts leave out there what asks the kernel for nothing
# new.
t_is_slow() { [ "${NET_SCALE:-1}" -gt 1 ]; }

# t_kernel - the running kernel's version as a number: 5.10 is 5010.
t_kernel() {
	local release major minor
	release=$(uname -r)
	IFS=.- read -r major minor _ <<<"$release"
	echo $((major * 1000 + minor))
}

# ------------------------------------------------------------------ waiting

t_now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# t_pause SECONDS - only where time itself is what is tested; everything else is waited for.
t_pause() { read -rt "$1" <&"$t_tick_fd" || :; }

_t_tick() { t_pause 0.05; }

# t_wait SECONDS COMMAND... - until the command succeeds. Fails at the deadline.
t_wait() {
	local deadline=$(($(t_now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(t_now_ms)" -lt $deadline ] || return 1
		_t_tick
	done
}

# t_wait_line SECONDS FILE PATTERN PID - until the file has a line like that; fails when PID ends.
t_wait_line() {
	local deadline=$(($(t_now_ms) + $1 * 1000))
	until grep -Eq -- "$3" "$2" 2>/dev/null; do
		[ "$(t_now_ms)" -lt $deadline ] && kill -0 "$4" 2>/dev/null || return 1
		_t_tick
	done
}

# ------------------------------------------------------------------ the private node

t_cgroup2_mount() { # where cgroup v2 is mounted
	sed -nE 's|^[^ ]+ [^ ]+ [^ ]+ / ([^ ]+) .* - cgroup2 .*|\1|p' /proc/self/mountinfo | head -n 1
}

t_cgroup_mounts() { # where cgroups are mounted, v2 and each hierarchy of v1
	sed -nE 's|^[^ ]+ [^ ]+ [^ ]+ / ([^ ]+) .* - cgroup2? .*|\1|p' /proc/self/mountinfo
}

_t_remove_cgroup() {
	local folder
	find "$1" -depth -type d 2>/dev/null | while read -r folder; do
		rmdir "$folder" 2>/dev/null || :
	done
}

# Cgroups left behind by scripts (and unit tests) that were killed: named by the pid they had.
t_reap() {
	local mount folder pid
	while read -r mount; do
		for folder in "$mount"/svcbpf-t[0-9]*-*; do
			[ -d "$folder" ] || continue
			pid=${folder##*/svcbpf-t}
			[ -d "/proc/${pid%%-*}" ] || _t_remove_cgroup "$folder"
		done
	done < <(t_cgroup_mounts)
}

_t_cgroup_is_gone() { # in v1 too, where tests/e2e/cluster has some
	local mount left=0
	while read -r mount; do
		[ -d "$mount/${T_CGROUP##*/}" ] || continue
		_t_remove_cgroup "$mount/${T_CGROUP##*/}"
		[ ! -d "$mount/${T_CGROUP##*/}" ] || left=1
	done < <(t_cgroup_mounts)
	[ $left = 0 ]
}

# The outer half: start the script again inside, wait for it, and remove the cgroup behind it. When
# this process is killed, so is everything inside.
_t_enter() {
	local status=0 inside
	[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP needs root"; exit 0; }
	[ -n "$(t_cgroup2_mount)" ] || { echo "1..0 # SKIP no cgroup v2 is mounted"; exit 0; }
	t_reap
	T_CGROUP=$(t_cgroup2_mount)/svcbpf-t$$-$(basename "$0" .sh)
	T_INSIDE=1 T_CGROUP=$T_CGROUP setpriv --pdeathsig KILL -- \
		unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private -- \
		"$BASH" "$0" "$@" &
	inside=$!
	trap 'kill -KILL $inside' INT TERM HUP
	wait $inside || status=$?
	wait $inside 2>/dev/null || :
	t_wait 10 _t_cgroup_is_gone || :
	exit $status
}

_t_set_up() {
	T_DIR=/run/t
	mount -t tmpfs tmpfs /run
	mkdir -p /run/netns "$T_DIR/bpf" "$T_DIR/manifests" "$T_CGROUP"
	mount -t bpf bpf "$T_DIR/bpf"
	T_PINS=$T_DIR/bpf/svcbpf
	T_MANIFESTS=$T_DIR/manifests
	ip link set lo up
	export NODE_NAME=node
}

exec {t_tick_fd}<> <(:)
[ -n "${T_INSIDE:-}" ] || _t_enter "$@"
_t_set_up

# ------------------------------------------------------------------ backends and clients

# t_addresses ADDRESS... - make them local on lo: cheap backends.
t_addresses() {
	local address
	for address; do
		case $address in
		*:*) echo "addr add $address/128 dev lo nodad" ;;
		*) echo "addr add $address/32 dev lo" ;;
		esac
	done | ip -batch -
}

# t_answer ADDRESS:PORT... - start the backends; "-H" first: HTTP. Sets t_answer_pid.
t_answer() {
	local log
	log=$(mktemp -p "$T_DIR" answer.XXXXXX)
	"$T_TOOLS/answer" "$@" >"$log" 2>&1 &
	t_answer_pid=$!
	t_wait_line 10 "$log" '^ready' $t_answer_pid || t_bail "backends listen: $(cat "$log")"
}

# t_in COMMAND... - run it inside the cgroup the agent works on.
t_in() (t_exec "$@")

# t_exec COMMAND... & - the same in the background: $! is the command itself.
t_exec() {
	echo 0 >"$T_CGROUP/cgroup.procs"
	exec "$@"
}

# t_pod NAME ADDRESS4 ADDRESS6 - a network namespace with a link to the node and no other route.
t_pod() {
	ip netns add "$1"
	ip link add "n-$1" type veth peer name eth0 netns "$1"
	ip addr add 169.254.1.1/32 dev "n-$1"
	ip addr add fd00:169::1/128 dev "n-$1" nodad
	ip link set "n-$1" up
	ip -n "$1" link set lo up
	ip -n "$1" addr add "$2/32" dev eth0
	ip -n "$1" addr add "$3/128" dev eth0 nodad
	ip -n "$1" link set eth0 up
	ip route add "$2/32" dev "n-$1"
	ip -6 route add "$3/128" dev "n-$1"
	ip -n "$1" route add 169.254.1.1/32 dev eth0
	ip -n "$1" route add default via 169.254.1.1 dev eth0
	ip -n "$1" -6 route add fd00:169::1/128 dev eth0
	ip -n "$1" -6 route add default via fd00:169::1 dev eth0
}

# t_in_pod NAME COMMAND... - as t_in, in the pod's network namespace.
t_in_pod() {
	local pod=$1
	shift
	t_in nsenter --net="/run/netns/$pod" -- "$@"
}

# t_name VIP:PORT [CONNLOOP OPTIONS] - who answers one connect, or the error's name.
t_name() {
	local vip=$1
	shift
	t_in "$T_TOOLS/connloop" -n 1 "$@" "$vip" | _t_name_or_error
}

t_name_in_pod() {
	local pod=$1 vip=$2
	shift 2
	t_in_pod "$pod" "$T_TOOLS/connloop" -n 1 "$@" "$vip" | _t_name_or_error
}

# t_has_loopback_nodeports - whether NodePorts answer on this node's loopback: the agent must learn
# which network namespace is its own. Without that, they do in the machine's first one only.
t_has_loopback_nodeports() {
	[ -n "${t_netns_cookie:-}" ] || t_netns_cookie=$(python3 -IS -c '
import socket
try: socket.socket().getsockopt(socket.SOL_SOCKET, 71, 8) # SO_NETNS_COOKIE
except OSError: print("no")
else: print("yes")')
	[ "$t_netns_cookie" = yes ]
}

# t_name_is FACT EXPECTED VIP:PORT [CONNLOOP OPTIONS] - t_name's answer; a fact about loopback is
# skipped on a kernel that has no NodePorts there.
t_name_is() {
	local fact=$1 expected=$2
	shift 2
	case $1 in
	127.* | '[::1]'*)
		t_has_loopback_nodeports || {
			t_skip "$fact" "needs SO_NETNS_COOKIE (Linux 5.14)"
			return
		}
		;;
	esac
	t_is "$fact" "$(t_name "$@")" "$expected"
}

_t_name_or_error() {
	sed -nE 's/.*"(backends|errors)": \{"([^"]+)".*/\2/p'
}

# What a connect gets that has no backend: kernels before 5.18 cannot choose the error.
t_refused() {
	[ "$(t_kernel)" -ge 5018 ] && echo ECONNREFUSED || echo EPERM
}

# t_json EXPRESSION - of the JSON object on standard input, "d"; Python.
t_json() { python3 -IS -c "import json,sys; d = json.load(sys.stdin); print($1)"; }

# t_ask NAME COMMAND... - start a client that answers each line on its input with one (udpvips -i),
# in the cgroup; t_round NAME has it do a round, and gives its line.
t_ask() {
	local name=$1
	shift
	mkfifo "$T_DIR/$name.in" "$T_DIR/$name.out"
	t_exec "$@" <"$T_DIR/$name.in" >"$T_DIR/$name.out" 2>&1 &
	exec {t_fd}>"$T_DIR/$name.in"
	eval "t_in_$name=$t_fd"
	exec {t_fd}<"$T_DIR/$name.out"
	eval "t_out_$name=$t_fd"
}

t_round() {
	local in=t_in_$1 out=t_out_$1 line
	echo >&"${!in}"
	read -rt 10 line <&"${!out}"
	echo "$line"
}

# ------------------------------------------------------------------ manifests

# t_service NAME KEY=VALUE... - write a Service and its EndpointSlices, as one change.
#
#   ip=A,B        clusterIPs            port=80        target=8080      proto=TCP,UDP
#   backends=A,B  ready endpoints       nodeport=N     external=A,B     lb=A,B
#   affinity=S    ClientIP, seconds     internal=Local external_policy=Local
#   local=A,B     those of the backends that are on this node (default: all)
#   created=TIME  creationTimestamp             ranges=A/N,B/N   loadBalancerSourceRanges
#   note=KEY:VALUE  an annotation
t_service() {
	local name=$1 ip='' port=80 target=8080 proto=TCP backends='' nodeport='' external='' lb=''
	local affinity='' internal='' external_policy='' local='*' created='' ranges='' note='' setting
	shift
	for setting; do local "$setting"; done
	{
		_t_service_object
		_t_slice_object IPv4 '^[0-9.]+$'
		_t_slice_object IPv6 ':'
	} >"$T_DIR/new.yaml"
	mv "$T_DIR/new.yaml" "$T_MANIFESTS/$name.yaml"
}

# t_node_of ADDRESS - the node of a backend of the Service that is being written. topology.sh knows more.
t_node_of() { [[ $local = '*' || ",$local," = *",$1,"* ]] && echo "$NODE_NAME" || echo elsewhere; }

_t_list() { # "a,b" as YAML flow list of strings
	local text=${1//,/\", \"}
	[ -z "$text" ] && echo '[]' || echo "[\"$text\"]"
}

_t_service_object() {
	local one type=ClusterIP families=() address
	[ -z "$nodeport" ] || type=NodePort
	[ -z "$lb" ] || type=LoadBalancer
	for address in ${ip//,/ }; do
		[[ $address = *:* ]] && families+=(IPv6) || families+=(IPv4)
	done
	printf -- '---\napiVersion: v1\nkind: Service\nmetadata:\n  name: %s\n  namespace: default\n' "$name"
	[ -z "$created" ] || echo "  creationTimestamp: \"$created\""
	[ -z "$note" ] || echo "  annotations: {\"${note%%:*}\": \"${note#*:}\"}"
	echo "spec:"
	echo "  type: $type"
	echo "  clusterIP: \"${ip%%,*}\""
	echo "  clusterIPs: $(_t_list "$ip")"
	echo "  ipFamilies: $(_t_list "$(IFS=, && echo "${families[*]}")")"
	[ ${#families[@]} -lt 2 ] && echo "  ipFamilyPolicy: SingleStack" || echo "  ipFamilyPolicy: RequireDualStack"
	[ -z "$external" ] || echo "  externalIPs: $(_t_list "$external")"
	[ -z "$ranges" ] || echo "  loadBalancerSourceRanges: $(_t_list "$ranges")"
	[ -z "$internal" ] || echo "  internalTrafficPolicy: $internal"
	[ -z "$external_policy" ] || echo "  externalTrafficPolicy: $external_policy"
	[ -z "$affinity" ] || printf '  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: %s}}\n' "$affinity"
	echo "  ports:"
	for one in ${proto//,/ }; do
		echo "  - {name: ${one,,}, protocol: $one, port: $port, targetPort: $target${nodeport:+, nodePort: $nodeport}}"
	done
	[ -z "$lb" ] || {
		printf 'status:\n  loadBalancer:\n    ingress:\n'
		for one in ${lb//,/ }; do echo "    - {ip: \"$one\"}"; done
	}
}

_t_slice_object() { # FAMILY PATTERN-OF-ITS-ADDRESSES
	local one node mine=()
	for one in ${backends//,/ }; do
		[[ ! $one =~ $2 ]] || mine+=("$one")
	done
	[ ${#mine[@]} -gt 0 ] || return 0
	printf -- '---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: %s-%s\n  namespace: default\n  labels: {kubernetes.io/service-name: %s}\naddressType: %s\nports:\n' \
		"$name" "${1,,}" "$name" "$1"
	for one in ${proto//,/ }; do
		echo "- {name: ${one,,}, protocol: $one, port: $target}"
	done
	echo "endpoints:"
	for one in "${mine[@]}"; do
		node=$(t_node_of "$one")
		echo "- {addresses: [\"$one\"], nodeName: $node, conditions: {ready: true}}"
	done
}

# ------------------------------------------------------------------ the agent

# t_start_agent [OPTIONS] - start `svcbpf run` without HTTP servers and wait for READY. Sets
# t_agent_pid. T_DEVICES=none: without the packet path, which an emulated CPU takes 10 s to load.
t_start_agent() {
	local ready=$T_DIR/ready.$RANDOM
	: >"$ready"
	"$SVCBPF" run --manifests "$T_MANIFESTS" --cgroup "$T_CGROUP" --pin-dir "$T_PINS" \
		--healthz-bind-address= --metrics-bind-address= \
		--ready-fd 9 ${T_DEVICES:+"--devices=$T_DEVICES"} "$@" >>"$T_DIR/agent.log" 2>&1 9>"$ready" &
	t_agent_pid=$!
	t_wait_line 60 "$ready" . $t_agent_pid || t_bail "svcbpf run becomes ready"
}

# t_stop_agent [SIGNAL] - end it and wait; sets t_agent_status.
t_stop_agent() {
	kill "-${1:-TERM}" "$t_agent_pid" 2>/dev/null || :
	# shellcheck disable=SC2034 # read by the scripts
	t_agent_status=0
	# shellcheck disable=SC2034
	wait "$t_agent_pid" 2>/dev/null || t_agent_status=$?
}

# t_attached - the ids of the programs on the cgroup, one a line, sorted. bpftool 7.1 cannot ask a
# kernel before 6.0 (E2BIG: it wants attach flags); the links, which it can list, are what is ours.
t_attached() {
	local shown
	if shown=$("$BPFTOOL" cgroup show "$T_CGROUP" 2>/dev/null); then
		awk '$1 ~ /^[0-9]+$/ { print $1 }' <<<"$shown" | sort
	else
		"$BPFTOOL" -j link show | t_json "'\n'.join(str(l['prog_id']) for l in d
			if l.get('cgroup_id') == $(stat -c %i "$T_CGROUP"))" | sort
	fi
}

t_dump() { "$SVCBPF" dump --pin-dir "$T_PINS" "$@"; }
t_plan() { "$SVCBPF" plan --manifests "$T_MANIFESTS" "$@"; }

# Whether the kernel holds what the manifests ask for.
t_is_synced() { cmp -s <(t_plan -o json) <(t_dump -o json); }

# Wait until it does; the base of nearly every fact, so the script ends when it does not.
t_sync() {
	t_wait "${1:-20}" t_is_synced && return
	t_bail "the kernel holds what the manifests ask for" \
		"$(diff <(t_plan -o json 2>&1) <(t_dump -o json 2>&1) | head -n 40)"
}
