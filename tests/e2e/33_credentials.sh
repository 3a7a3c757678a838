#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Credentials that change, end or are wrong: the agent serves what it knows, says what is wrong, and
# goes on as soon as it may.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e_up
e_stable
good=$E_AGENT_CONFIG

# new_token NAME - of the agent's ServiceAccount; ends with the Secret of that name.
new_token() {
	local uid
	uid=$(k_curl --fail-with-body -H 'Content-Type: application/json' --data-binary \
		'{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "'"$1"'"}}' "$(k_url secrets kube-system)" |
		t_json 'd["metadata"]["uid"]')
	k_curl --fail-with-body -H 'Content-Type: application/json' --data-binary '{"apiVersion": "authentication.k8s.io/v1",
		"kind": "TokenRequest", "spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "'"$1"'", "uid": "'"$uid"'"}}}' \
		"$(k_url serviceaccounts/svcbpf/token kube-system)" | t_json 'd["status"]["token"]'
}
end_token() { k_curl --fail-with-body -o /dev/null -X DELETE "$(k_url "secrets/$1" kube-system)"; }

put_token() { # as the kubelet does: by rename
	printf %s "$1" >"$T_DIR/token.new"
	mv "$T_DIR/token.new" "$T_DIR/token"
}
restart_api() { # watches that are open go on with an ended token: only a new request asks for it
	e_signal api KILL
	e_spawn_api
	e_wait_api
}
has_logged() { grep -Eq -- "$1" <(e_since); }

# --- a token in a file
put_token "$(new_token first)"
e_kubeconfig "$E_DIR/pki/ca.crt" "{tokenFile: $T_DIR/token}" >"$T_DIR/token.kubeconfig"
E_AGENT_CONFIG=$T_DIR/token.kubeconfig
e_start_agent
t_sync
e_start_stable_loops
e_in_step "with a token" "$(t_now_ms)"
put_token "$(new_token second)"
end_token first
restart_api
e_in_step "token rotated" "$(t_now_ms)"

end_token second
e_mark
restart_api
t_ok "token ended: the log says 401" t_wait 30 has_logged '(401|[Uu]nauthorized)'
before=$(t_dump -o json)
t_pause "$(t_scaled 10)"
t_is "token ended: the kernel holds what it held" "$(t_dump -o json)" "$before"
put_token "$(new_token third)"
e_in_step "a new token is there" "$(t_now_ms)"

# --- rights taken away and given back
binding=$(sed -nE '/^kind: ClusterRoleBinding/,/^---/s/.*name: *([a-z0-9:-]+).*/\1/p' "$T_ROOT/scripts/deploy/rbac.yaml" | head -n 1)
k_delete "clusterrolebindings/$binding"
e_mark
restart_api
t_ok "no rights: the log says 403" t_wait 30 has_logged '(403|[Ff]orbidden)'
t_pause "$(t_scaled 10)"
t_is "no rights: the kernel holds what it held" "$(t_name 10.96.9.9:80)" "$e_probe:8080"
k_apply <"$T_ROOT/scripts/deploy/rbac.yaml"
e_in_step "rights given back" "$(t_now_ms)"

# --- a client certificate of a stranger
t_stop_agent KILL
e_authority stranger
e_certificate intruder /CN=system:serviceaccount:kube-system:svcbpf clientAuth stranger
e_certificate_config intruder >"$T_DIR/intruder.kubeconfig"
E_AGENT_CONFIG=$T_DIR/intruder.kubeconfig
e_mark
e_spawn_agent
t_ok "a stranger's certificate: the log says so" t_wait 20 has_logged '(401|[Uu]nauthorized|certificate)'
t_ok "a stranger's certificate: becomes ready" e_wait_agent 15
t_is "a stranger's certificate: serves the last state" "$(t_name 10.96.9.9:80)" "$e_probe:8080"
t_is "a stranger's certificate: plan refuses it too" "$("$SVCBPF" plan --kubeconfig "$E_AGENT_CONFIG" >/dev/null 2>&1 && echo planned)" ""
cat "$good" >"$T_DIR/intruder.kubeconfig"
e_in_step "the right certificate is there, without a restart" "$(t_now_ms)"

# --- a server that the agent must not trust
t_stop_agent KILL
e_kubeconfig "$E_DIR/pki/stranger.crt" "{client-certificate: $E_DIR/pki/agent.crt, client-key: $E_DIR/pki/agent.key}" \
	>"$T_DIR/ca.kubeconfig"
E_AGENT_CONFIG=$T_DIR/ca.kubeconfig
e_mark
e_spawn_agent
t_ok "an unknown CA: the log says so" t_wait 20 has_logged '[Cc]ertificate|issuer|verif'
t_ok "an unknown CA: becomes ready" e_wait_agent 15
t_is "an unknown CA: serves the last state" "$(t_name 10.96.9.9:80)" "$e_probe:8080"
t_is "an unknown CA: plan refuses too" "$("$SVCBPF" plan --kubeconfig "$E_AGENT_CONFIG" >/dev/null 2>&1 && echo planned)" ""
cat "$good" >"$T_DIR/ca.kubeconfig"
e_in_step "the right CA is there, without a restart" "$(t_now_ms)"

e_end_stable_loops
t_done
