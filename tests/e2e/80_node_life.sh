#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What happens to a node: it starts before its network and the API server are there, is about to be
# removed, and is drained.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

healthz=http://127.0.0.1:10256/healthz livez=http://127.0.0.1:10256/livez
code() { curl -s --max-time 10 -o /dev/null -w '%{http_code}' "$1"; }
code_is() { [ "$(code "$1")" = "$2" ]; }
status() { "$SVCBPF" status --pin-dir "$T_PINS" "$@" || :; }
has_logged() { grep -Eq -- "$1" <(e_since); }

# manager - the socket of a service manager; what it is told goes to $T_DIR/notified. It has no clients
# that wait, so it may come and go.
cat >"$T_DIR/manager.py" <<'PY'
import os, socket, sys
path, out = sys.argv[1:]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(path)
with open(out, "a", buffering=1) as log:
    while True:
        log.write(manager.recv(65536).decode() + "\n")
PY
: >"$T_DIR/notified"
python3 -IS "$T_DIR/manager.py" "$T_DIR/manager" "$T_DIR/notified" &
t_ok "a service manager is there" t_wait 10 [ -S "$T_DIR/manager" ]
export NOTIFY_SOCKET=$T_DIR/manager

# --- first boot: no network but loopback, no API server, nothing saved and nothing pinned
e_kubeconfig "$E_DIR/pki/ca.crt" "{client-certificate: $E_DIR/pki/agent.crt, client-key: $E_DIR/pki/agent.key}" >"$E_AGENT_CONFIG"
_e_pki
: >"$T_DIR/agent.log"
e_mark
e_spawn_agent
t_ok "no API server yet: the log says that it waits" t_wait 20 has_logged 'does not answer, and no state is saved: waiting for it'
t_like "... and why: nobody listens" "$(e_since)" 'services: .*(refused|connect)'
t_ok "... it is not ready" [ ! -s "$e_ready" ]
t_is "... nor does the service manager think so" "$(grep -c READY=1 "$T_DIR/notified")" 0
t_is "... /livez is 200: a restart would not help" "$(code $livez)" 200
t_is "... /healthz is 503: no load balancer may count on it (R45)" "$(code $healthz)" 503
t_like "... status says what is missing" "$(status)" 'no program is attached: .*the agent waits for its source'
t_like "... and which source" "$(status)" "source +$E_URL, starting"
t_is "... status: exit status 1" "$(status >/dev/null && "$SVCBPF" status --pin-dir "$T_PINS" >/dev/null || echo $?)" 1
t_is "... no program is attached: no connection is touched" "$(t_attached)" ""

# --- the API server comes, without the Node: a kubelet that has not registered yet
e_start_etcd
e_spawn_api
e_wait_api
k_apply <"$T_ROOT/scripts/deploy/rbac.yaml"
t_addresses 10.244.0.1 10.244.0.2 10.244.9.1 10.244.9.2
t_answer 10.244.0.1:8080 10.244.0.2:8080 10.244.9.1:8080 10.244.9.2:8080
k_service stable ip=10.96.0.10 nodeport=30080 backends=10.244.0.1,10.244.0.2
t_ok "the API server is there: ready without a restart" e_wait_agent 20
t_ok "... the service manager knows" t_wait 5 grep -q READY=1 "$T_DIR/notified"
t_like "... it serves" "$(t_name 10.96.0.10:80)" '^10\.244\.0\.[12]:8080$'
t_is "... no Node object yet: /healthz is 503" "$(code $healthz)" 503
t_like "... status says so" "$(status)" 'Node n1: the API has none of this name'
k_node
t_ok "the kubelet registers: /healthz is 200" t_wait 10 code_is $healthz 200
t_ok "... status has nothing more to say of it" t_wait 10 bash -c "! '$SVCBPF' status --pin-dir '$T_PINS' | grep -q 'has none of this name'"

# --- the network comes
devices() { status -o json | t_json '" ".join(sorted((x["name"] or "?") + ("*" if x["uplink"] else "") for x in d["devices"] if x["ingress"]))'; }
devices_are() { [ "$(devices)" = "$1" ]; }
t_is "no network yet: no device" "$(devices)" ""
ip netns add outside
ip link add eth0 type veth peer name node0 netns outside
ip -n outside addr add 172.18.0.2/24 dev node0
ip -n outside link set node0 up
ip link set eth0 up
ip addr add 172.18.0.11/24 dev eth0
ip route add default via 172.18.0.2
t_ok "an uplink and a default route: it has packet programs" t_wait 10 devices_are 'eth0*'
k_merge nodes/n1/status '{"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.11"}]}}'
sysctl -qw net.ipv4.ip_forward=1
outside() { nsenter --net=/run/netns/outside -- "$@"; }
reaches() { outside "$T_TOOLS/connloop" -n 1 "$1" | _t_name_or_error | grep -q '^10\.244\.0\.[12]:8080$'; }
t_ok "NodePorts answer there" t_wait 10 reaches 172.18.0.11:30080
ip link add cni0 type bridge
ip addr add 10.244.1.1/24 dev cni0
ip link set cni0 up
ip link add pod1 type veth peer name pod1p
ip link set pod1 up master cni0
t_ok "the CNI's bridge and a pod: they have packet programs" t_wait 10 devices_are 'cni0 eth0* pod1'
t_is "all the while the agent was the same" "$(kill -0 "$t_agent_pid" && echo lives)" lives

# --- about to be removed (R43-R45)
taint='{"key": "ToBeDeletedByClusterAutoscaler", "value": "1700000000", "effect": "NoSchedule"}'
k_merge nodes/n1 '{"spec": {"taints": ['"$taint"', {"key": "other", "effect": "NoExecute"}]}}'
t_ok "the cluster autoscaler's taint: /healthz is 503" t_wait 10 code_is $healthz 503
t_is "... /livez is 200" "$(code $livez)" 200
t_like "... Services work" "$(t_name 10.96.0.10:80)" '^10\.244\.0\.[12]:8080$'
k_merge nodes/n1 '{"spec": {"taints": [{"key": "other", "effect": "NoExecute"}]}}'
t_ok "taken away again: 200" t_wait 10 code_is $healthz 200
k_merge nodes/n1 '{"metadata": {"finalizers": ["test/wait"]}}'
k_delete nodes/n1
t_ok "the Node has a deletionTimestamp: /healthz is 503" t_wait 10 code_is $healthz 503
t_is "... /livez is 200" "$(code $livez)" 200
t_like "... Services work" "$(t_name 10.96.0.10:80)" '^10\.244\.0\.[12]:8080$'
k_merge nodes/n1 '{"metadata": {"finalizers": null}}'
t_ok "the Node is gone: status says so" t_wait 10 bash -c "'$SVCBPF' status --pin-dir '$T_PINS' | grep -q 'has none of this name'"
t_is "... /healthz is 503" "$(code $healthz)" 503
t_like "... Services work" "$(t_name 10.96.0.10:80)" '^10\.244\.0\.[12]:8080$'
k_node
k_merge nodes/n1/status '{"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.11"}]}}'
t_ok "registered anew: 200" t_wait 10 code_is $healthz 200

# --- drained: two pods that keep connections open, one here and one on another node
t_addresses 10.244.0.4 10.244.9.4
for one in here=10.244.0.4 elsewhere=10.244.9.4; do
	python3 -IS "$T_ROOT/tests/net/serve.py" "${one%=*}" "${one#*=}:8080" >"$T_DIR/serve-${one%=*}" 2>&1 &
	t_wait_line 20 "$T_DIR/serve-${one%=*}" '^ready' $! || t_bail "the pod ${one%=*} serves" "$(<"$T_DIR/serve-${one%=*}")"
done

endpoint() { # ADDRESS NODE ready|ending|unready|gone: the latter two but one terminate, "ending" serves
	local ready=false serving=false terminating=true
	[ "$3" != gone ] || return 0
	[ "$3" != ready ] || ready=true serving=true terminating=false
	[ "$3" != ending ] || serving=true
	echo "- {addresses: [\"$1\"], nodeName: $2, conditions: {ready: $ready, serving: $serving, terminating: $terminating}}"
}
slice() { # HERE ELSEWHERE - how they are
	k_apply <<-YAML
		apiVersion: discovery.k8s.io/v1
		kind: EndpointSlice
		metadata: {name: drained-ipv4, namespace: default, labels: {kubernetes.io/service-name: drained}}
		addressType: IPv4
		ports: [{name: tcp, protocol: TCP, port: 8080}]
		endpoints:
		$(endpoint 10.244.0.4 n1 "$1")
		$(endpoint 10.244.9.4 elsewhere "$2")
	YAML
	t_wait 10 t_is_synced || t_bail "the endpoints are $1 and $2"
}
inside=10.96.0.20:80 nodeport=172.18.0.11:30090
ask() { "$@" | cut -d ' ' -f 1; } # COMMAND... - which pod answers
get() { curl -s --max-time 2 "http://$1/" || echo "curl$?"; }
new_here() { ask t_in bash -c "$(declare -f get); get $inside"; }
new_outside() { ask outside bash -c "$(declare -f get); get $nodeport"; }

k_service drained ip=${inside%:*} nodeport=${nodeport#*:} external_policy=Local lb=203.0.113.20 backends=10.244.0.4,10.244.9.4 local=10.244.0.4
check=http://127.0.0.1:$(k_get services/drained | t_json 'd["spec"]["healthCheckNodePort"]')/
slice ready gone
t_is "before the drain, a new connection from here" "$(new_here)" here
t_is "... and from outside" "$(new_outside)" here
t_ok "... the load balancer's check is 200" t_wait 10 code_is "$check" 200

# What keeps a connection open and says who answers on it, until it is made anew or broken.
cat >"$T_DIR/talk.py" <<'PY'
import http.client, sys, time
connection = http.client.HTTPConnection(sys.argv[1], timeout=5)
connection.connect()
opened = connection.sock
while True:
    connection.request("GET", "/")
    answer = connection.getresponse().read().decode().split()[0]
    print(answer if connection.sock is opened else "anew", flush=True)
    time.sleep(0.1)
PY
talk() { # NAME VIP:PORT COMMAND... - from there
	"${@:3}" python3 -IS "$T_DIR/talk.py" "$2" >"$T_DIR/talk-$1" 2>&1 &
	e_pids[talk-$1]=$!
}
said() { wc -l <"$T_DIR/talk-$1"; }
has_said() { [ "$(said "$1")" -ge "$2" ]; }
goes_on() { # FACT - both connections do, with the pod they had
	local name n
	for name in here outside; do
		n=$(said $name)
		t_wait 10 has_said $name $((n + 3)) || :
		t_is "$1: the connection from $name goes on" "$(tail -n +$((n + 1)) "$T_DIR/talk-$name" | sort -u | head -n 5)" here
	done
}
talk here "$inside" t_exec
talk outside "$nodeport" nsenter --net=/run/netns/outside --
goes_on "before the drain"

slice ending ready
t_is "its pod ends, another is ready elsewhere: a new connection from here" "$(new_here)" elsewhere
t_is "... from outside, policy Local: the last one here serves on until it is gone" "$(new_outside)" here
t_ok "... the load balancer is told to go elsewhere" t_wait 10 code_is "$check" 503
goes_on "the pod ends"
slice unready ready
t_like "it is not ready any more: no new connection from outside" "$(new_outside)" '^curl(7|28)$'
t_is "... from here" "$(new_here)" elsewhere
goes_on "the pod is not ready"
slice gone ready
t_is "it is gone from the API: a new connection from here" "$(new_here)" elsewhere
t_like "... from outside: none" "$(new_outside)" '^curl(7|28)$'
goes_on "the pod is gone from the API"
slice gone gone
t_is "no endpoint anywhere: a new connection from here is refused at once" "$(new_here)" curl7
goes_on "no endpoint anywhere"
slice gone ready
t_is "one elsewhere again" "$(new_here)" elsewhere
goes_on "one elsewhere again"
kill "${e_pids[talk-here]}" "${e_pids[talk-outside]}"
k_remove_service drained
t_done
