#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What load balancers, kubelets and Prometheus ask the agent, and the Events it writes.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2 10.244.0.3
t_answer 10.244.0.1:8080 10.244.0.2:8080 10.244.0.3:8080
e_up

ask() { curl -s --max-time 10 "$@"; } # URL
code() { ask -o /dev/null -w '%{http_code}' "$1"; }
healthz=http://127.0.0.1:10256/healthz livez=http://127.0.0.1:10256/livez metrics=http://127.0.0.1:10249
code_is() { [ "$(code "$1")" = "$2" ]; }

e_start_agent
t_is "/healthz" "$(code $healthz)" 200
t_is "/livez" "$(code $livez)" 200
t_is "/healthz says" "$(ask $healthz | t_json 'sorted(d), d["nodeEligible"], d["healthy"]')" \
	"['currentTime', 'healthy', 'lastUpdated', 'nodeEligible', 'status'] True True"
t_is "/livez says nothing of the node" "$(ask $livez | t_json '"nodeEligible" in d')" False
t_is "/proxyMode" "$(ask $metrics/proxyMode)" svcbpf
t_is "an unknown path" "$(code $metrics/nothing)" 404

# --- the node
k_merge nodes/n1 '{"spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}}'
t_ok "a node about to be deleted: /healthz is 503" t_wait 10 code_is $healthz 503
t_is "... /livez is 200" "$(code $livez)" 200
k_merge nodes/n1 '{"spec": {"taints": null}}'
t_ok "... not any more: 200" t_wait 10 code_is $healthz 200
k_delete nodes/n1
t_ok "the Node object is gone: /healthz is 503" t_wait 10 code_is $healthz 503
k_node
t_ok "... and back: 200" t_wait 10 code_is $healthz 200

# --- healthCheckNodePort
k_service web ip=10.96.0.10 nodeport=30080 lb=203.0.113.9 external_policy=Local \
	backends=10.244.0.1,10.244.0.2,10.244.0.3 local=10.244.0.1,10.244.0.2
t_sync
port=$(k_get services/web | t_json 'd["spec"]["healthCheckNodePort"]')
check=http://10.244.0.3:$port/
t_ok "healthCheckNodePort $port: 200" t_wait 10 code_is "$check" 200
expected=$'{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}'
t_is "... the body, to the byte" "$(ask "$check" | od -c)" "$(printf %s "$expected" | od -c)"
t_like "... the weight" "$(ask -D - -o /dev/null "$check")" '^X-Load-Balancing-Endpoint-Weight: 2'
t_is "plan and dump say the same of it" "$(t_plan -o json | t_json 'd["healthChecks"]')" "$(t_dump -o json | t_json 'd["healthChecks"]')"
k_service web ip=10.96.0.10 nodeport=30080 lb=203.0.113.9 external_policy=Local \
	backends=10.244.0.1,10.244.0.2,10.244.0.3 local=none
t_ok "no local endpoint: 503" t_wait 10 code_is "$check" 503
k_remove_service web
t_ok "the Service is gone: nobody listens" t_wait 10 code_is "$check" 000

# --- Events
has_event() { # REASON NAME
	k_get events | t_json "any(e.get('reason') == '$1' and e['involvedObject']['name'] == '$2' for e in d['items'])" | grep -q True
}
t_ok "an Event tells that the agent has started" t_wait 10 has_event Starting n1
t_answer 0.0.0.0:31999
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
t_ok "a health port that is taken: an Event of the Service" t_wait 20 has_event FailedToStartServiceHealthcheck taken
t_is "... one" "$(k_get events | t_json 'sum(e.get("reason") == "FailedToStartServiceHealthcheck" for e in d["items"])')" 1
kill "$t_answer_pid"
t_ok "... it is opened when it is free" t_wait 20 code_is http://10.244.0.3:31999/ 503

# --- metrics
text=$(ask $metrics/metrics)
for name in kubeproxy_sync_proxy_rules_duration_seconds_count kubeproxy_sync_proxy_rules_last_timestamp_seconds \
	kubeproxy_sync_proxy_rules_endpoint_changes_total kubeproxy_sync_proxy_rules_service_changes_total \
	kubeproxy_network_programming_duration_seconds_count kubeproxy_proxy_healthz_total; do
	t_like "metric $name" "$text" "^${name}[ {]"
done
t_is "every line is a comment or a number" \
	"$(grep -vE '^(# (HELP|TYPE) |[a-z_:]+(\{[^}]*\})? ([0-9.e+-]+|NaN|\+Inf)$)' <<<"$text" | head -n 3)" ""
t_is "no metric twice" "$(grep -v '^#' <<<"$text" | sed 's/ [^ ]*$//' | sort | uniq -d | head -n 3)" ""
t_like "a metric tells how old each watch is" "$text" '^svcbpf_[a-z_]*watch[a-z_]*\{[^}]*services'

# --- the API is away
e_signal api KILL
t_pause 3
t_is "the API is away: /healthz is 200, for the datapath serves" "$(code $healthz)" 200
t_is "... /livez too" "$(code $livez)" 200
t_stop_agent
t_is "SIGTERM: exit status 0" "$t_agent_status" 0
t_is "nobody listens any more" "$(code $healthz)" 000
t_done
