#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What programs one state only, or only asks, says at once why it cannot; and ports that somebody else has.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

healthz=http://127.0.0.1:10256/healthz
code() { curl -s --max-time 10 -o /dev/null -w '%{http_code}' "$1"; }
code_is() { [ "$(code "$1")" = "$2" ]; }
status() { "$SVCBPF" status --pin-dir "$T_PINS" "$@" || :; }
reboot() { # of the node: nothing is pinned any more, the disk is there
	umount "$T_DIR/bpf"
	mount -t bpf bpf "$T_DIR/bpf"
}

e_up
t_addresses 10.244.0.2 10.244.9.2
t_answer 10.244.0.2:8080 10.244.9.2:8080
k_service fresh ip=10.96.0.30 backends=10.244.9.2

# --- what programs one state only, and what only asks
once() { # [OPTIONS] - sets once_status, output in $T_DIR/once
	once_status=0
	timeout 60 "$SVCBPF" run --once --kubeconfig "${once_config:-$E_AGENT_CONFIG}" --cgroup "$T_CGROUP" --pin-dir "$T_PINS" \
		--state-dir "$T_DIR/state" "$@" >"$T_DIR/once" 2>&1 || once_status=$?
}
once
t_is "--once: exit status 0" "$once_status" 0
t_like "... a summary" "$(<"$T_DIR/once")" '^programmed [0-9]+ Services'
t_dump -o json >"$T_DIR/before"
e_signal api KILL
once
t_is "--once, the API is away, something is pinned: exit status 1" "$once_status" 1
t_like "... it says that nothing was programmed" "$(<"$T_DIR/once")" 'does not answer: nothing was programmed; what is pinned stays, as it was [0-9]+ s ago'
t_is "... what is pinned stays" "$(diff <(t_dump -o json) "$T_DIR/before")" ""
t_is "... and serves" "$(t_name 10.96.0.30:80)" 10.244.9.2:8080
reboot
once
t_is "--once, the API is away, nothing is pinned: exit status 1" "$once_status" 1
t_like "... it says so" "$(<"$T_DIR/once")" 'nothing was programmed, and nothing is pinned: no Service is served'
e_spawn_api
e_wait_api

# hopeless FACT PATTERN KUBECONFIG - plan and verify end at once, with one line.
hopeless() {
	local start took said status=0
	start=$(t_now_ms)
	said=$(timeout 60 "$SVCBPF" plan --kubeconfig "$3" 2>&1 >/dev/null) || status=$?
	took=$(($(t_now_ms) - start))
	t_is "$1: plan's exit status" $status 1
	t_like "$1: it says" "$said" "$2"
	t_is "$1: in one line" "$(wc -l <<<"$said")" 1
	t_ok "$1: at once, after $took ms" [ $took -lt 5000 ]
}
e_authority stranger
e_certificate intruder /CN=nobody clientAuth stranger
e_certificate powerless /CN=nobody clientAuth
e_certificate_config intruder >"$T_DIR/config"
hopeless "a stranger's certificate" "^svcbpf plan: the API server $E_URL: (services|endpointslices): .*(401|certificate)" "$T_DIR/config"
e_certificate_config powerless >"$T_DIR/config"
hopeless "no rights" "^svcbpf plan: the API server $E_URL: (services|endpointslices): HTTP 403: " "$T_DIR/config"
e_kubeconfig "$E_DIR/pki/ca.crt" '{token: nonsense}' >"$T_DIR/config"
hopeless "a wrong token" 'HTTP 401: ' "$T_DIR/config"
e_kubeconfig "$E_DIR/pki/stranger.crt" '{token: nonsense}' >"$T_DIR/config"
hopeless "a CA that is not the server's" 'certificate' "$T_DIR/config"
e_kubeconfig "$E_DIR/pki/ca.crt" '{exec: {apiVersion: client.authentication.k8s.io/v1, command: /nonexistent, interactiveMode: Never}}' >"$T_DIR/config"
hopeless "an exec plugin that is not there" '/nonexistent' "$T_DIR/config"

# --- a port of the agent's own is taken
t_answer 0.0.0.0:10256
taken=$t_answer_pid
e_spawn_agent
t_ok "the healthz port is taken: ready all the same" e_wait_agent
t_like "... status says so, and what to do" "$(status)" "healthz-bind-address: port 10256 is taken by another process: .*ss -ltnp sport = :10256"
t_is "... status: exit status 1" "$("$SVCBPF" status --pin-dir "$T_PINS" >/dev/null || echo $?)" 1
t_like "... it is logged once" "$(grep -c 'port 10256 is taken' "$T_DIR/agent.log")" '^1$'
kill "$taken"
t_ok "it is free again: /healthz answers" t_wait 15 code_is $healthz 200
t_ok "... status has nothing more to say of it" t_wait 5 bash -c "! '$SVCBPF' status --pin-dir '$T_PINS' | grep -q 10256"
t_like "... the log tells both" "$(tail -n 3 "$T_DIR/agent.log")" 'resolved: healthz-bind-address'
t_answer 0.0.0.0:31999
taken=$t_answer_pid
k_apply <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: taken, namespace: default}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.11
  externalTrafficPolicy: Local
  healthCheckNodePort: 31999
  ports: [{name: http, port: 80, targetPort: 8080}]
YAML
says_taken() { status | grep -q 'default/taken: port 31999 is taken by another process: its health check is not answered'; }
t_ok "a Service's health check port is taken: status says so" t_wait 15 says_taken
kill "$taken"
says_nothing() { ! says_taken; }
t_ok "... and that it is had" t_wait 15 says_nothing
t_done
