#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# etcd comes back from an old backup: the resourceVersion goes back, other objects are there, and one
# Service is the same. A watch from where the agent was would be silent for minutes.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e_up
e_stable
k_service old ip=10.96.0.20 backends=10.244.0.1
k_service changed ip=10.96.0.21 backends=10.244.0.1
"$E_HERE/fill.py" age 2000 # more than an API server writes of its own when it starts
k_merge services/old '{"metadata": {"labels": {"touched": "yes"}}}'
e_start_agent
t_sync
e_start_stable_loops

version() { k_get services | t_json 'd["metadata"]["resourceVersion"]'; }
for object in services/stable endpointslices/stable-ipv4 endpointslices/stable-ipv6; do
	k_get $object >"$T_DIR/${object//\//-}.json"
done
before=$(version)
for round in "killed with etcd" "frozen meanwhile"; do
	[ "$round" = "killed with etcd" ] || e_signal api STOP
	e_signal api KILL
	e_signal etcd KILL
	rm -rf "$E_DIR/etcd"
	e_start_etcd
	"$E_HERE/fill.py" restore "$T_DIR"/services-stable.json "$T_DIR"/endpointslices-stable-*.json
	e_spawn_api
	e_wait_api
	back=$(t_now_ms)
	t_ok "$round: the resourceVersion went back, from $before to $(version)" [ "$(version)" -lt "$before" ]
	k_apply <"$T_ROOT/scripts/deploy/rbac.yaml"
	k_node
	k_service changed ip=10.96.0.21 backends=10.244.0.2
	e_in_step "$round" "$back"
	t_is "$round: a Service that is no more" "$(t_name 10.96.0.20:80)" ENETUNREACH
	t_is "$round: one that is another" "$(t_name 10.96.0.21:80)" 10.244.0.2:8080
	"$E_HERE/fill.py" age 2000
	k_service old ip=10.96.0.20 backends=10.244.0.1
	t_sync
	before=$(version)
done

e_end_stable_loops
t_ok "verify agrees" "$SVCBPF" verify --kubeconfig "$E_DIR/admin.kubeconfig" --pin-dir "$T_PINS"
t_done
