#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The checks that scripts/kind-smoke.sh makes in a kind cluster, in the two-node cluster: agents as
# services of the nodes. It is the same script; only what runs kubectl and commands on nodes differs.
set -euo pipefail
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

# Sourced, so that it sees the cluster's functions; it ends its subshell.
smoke() {
	export KUBECTL=c_kubectl ON_NODE=c_node FROM_OUTSIDE=c_client SVCBPF_ON_NODE=smoke_svcbpf
	set -- --image "${c_images[agnhost]}"
	# shellcheck source=scripts/smoke-checks.sh
	. "$T_ROOT/scripts/smoke-checks.sh"
}

# In a pod, the source of verify and the node are its environment's.
smoke_svcbpf() { # NODE SUBCOMMAND...
	local node=$1
	shift
	[ "$1" != verify ] || set -- "$@" --kubeconfig "$C_AGENT_CONFIG" --node-name "$node"
	c_svcbpf "$node" "$@"
}

c_up
(smoke) >"$T_DIR/smoke" 2>&1 || :
t_tap cat "$T_DIR/smoke"
t_like "scripts/smoke-checks.sh went through, and its sum says so" "$(tail -n 1 "$T_DIR/smoke")" \
	'^[1-9][0-9]+ passed, 0 failed, 0 skipped$'
t_is "its namespace is gone" "$(c_kubectl get namespace svcbpf-smoke --ignore-not-found -o name)" ""
t_done
