#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent at a real API server, `make bench-sync`: how long a start takes, what it costs in CPU and
# memory, and how soon a change of one EndpointSlice is in force; at 10 Services and at many.
#
#   tests/bench/sync.sh [SERVICES [ENDPOINTS [CHANGES]]]   default: 10000 25 50
#
# Everything is measured from outside the agent, in a private node (tests/e2e/lib.sh): its CPU and
# memory by the kernel's accounting, a change by connects to the Service.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

many=${1:-10000} n_endpoints=${2:-25} n_changes=${3:-50}
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

for ((i = 1; i <= n_endpoints; i++)); do
	t_addresses "10.244.1.$i" "10.244.2.$i"
	backends+=("10.244.1.$i:8080" "10.244.2.$i:8080")
done
t_answer "${backends[@]}"

measure() { # SERVICES
	local list_s
	e_load "$1" "$n_endpoints"
	e_up
	t_pause 10 # the API server has things to do when it has just started
	list_s=$(k_curl -o /dev/null -w '%{time_total}' "$(k_url endpointslices load)")
	PYTHONPATH=$E_HERE "$here/sync.py" measure "$T_DIR/result-$1" "$list_s" "$n_endpoints" "$n_changes" "$T_TOOLS/switchloop" \
		"$T_CGROUP" "$SVCBPF" run --kubeconfig "$E_AGENT_CONFIG" --cgroup "$T_CGROUP" --pin-dir "$T_PINS" \
		--state-dir "$T_DIR/state-$1" --node-name "$NODE_NAME" || t_bail "$1 Services are measured"
	"$SVCBPF" cleanup --pin-dir "$T_PINS" >/dev/null
	e_signal api KILL
	e_signal etcd KILL
	rm -r "$E_DIR"
}

[ "$many" = 10 ] || measure 10
measure "$many"
"$here/sync.py" table "$n_endpoints" "$T_DIR"/result-*
