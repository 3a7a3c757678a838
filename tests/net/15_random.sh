#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The choice among backends is uniform and random.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

backends=() listen=() backends6=() listen6=()
for i in 1 2 3 4 5 6 7; do
	t_addresses "10.244.0.$i" "fd00:244::$i"
	backends+=("10.244.0.$i")
	backends6+=("fd00:244::$i")
	listen+=("10.244.0.$i:8080")
	listen6+=("[fd00:244::$i]:8080")
done
t_answer "${listen[@]}" "${listen6[@]}"
t_service web ip=10.96.0.10,fd00:96::10 backends="$(IFS=, && echo "${backends[*]},${backends6[*]}")"
t_start_agent
t_sync

n=$(t_scaled 10000)
uniform() { # FACT VIP BACKENDS...
	local fact=$1 report status=0
	shift
	report=$(t_in "$T_TOOLS/chisq" -n "$n" "$@") || status=$?
	t_is "$fact: $report" $status 0
}
uniform "$n connects, 7 backends, IPv4" 10.96.0.10:80 "${listen[@]}"
uniform "$n connects, 7 backends, IPv6" '[fd00:96::10]:80' "${listen6[@]}"
t_done
