#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# UDP: replies come from the VIP they were sent to, and a socket keeps its backend.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

n=$((6 + $(t_scaled 24))) n_connects=$(t_scaled 200)
addresses=() vips=() vips6=() mixed=() listen=()
for i in $(seq $n); do
	addresses+=("10.244.$i.1" "10.244.$i.2" "fd00:244:$i::1")
	listen+=("10.244.$i.1:53" "10.244.$i.2:53" "[fd00:244:$i::1]:53")
	t_service "dns$i" ip="10.96.1.$i,fd00:96::$i" port=53 target=53 proto=UDP \
		backends="10.244.$i.1,10.244.$i.2,fd00:244:$i::1"
	vips+=("10.96.1.$i:53=10.244.$i.")
	vips6+=("[fd00:96::$i]:53=[fd00:244:$i::")
done
t_addresses "${addresses[@]}"
t_answer "${listen[@]}"
mixed=("${vips[@]:0:3}" "10.244.$n.1:53=10.244.$n.1")
t_start_agent
t_sync

run() { # FACT OPTIONS... VIPS...
	local fact=$1 report
	shift
	report=$(t_in "$T_TOOLS/udpvips" -n 5 "$@" || :)
	t_is "$fact" "$(t_json '[d[k] for k in ("sent", "received", "wrongSource", "wrongBackend", "moved", "lost")]' <<<"$report")" \
		"[$((5 * n_expected)), $((5 * n_expected)), 0, 0, 0, 0]"
}
n_expected=$n
run "one socket, $n VIPs: every reply from its VIP, every VIP keeps its backend" "${vips[@]}"
run "the same with recvmsg" -g "${vips[@]}"
run "the same, IPv6" "${vips6[@]}"
run "the same, an IPv6 socket and mapped addresses" -m "${vips[@]}"
run "the same, both families mixed on one IPv6 socket" -m "${vips6[0]}" "${vips[@]:1}"
n_expected=4
run "a backend dialled directly among VIPs shows itself" "${mixed[@]}"

report=$(t_in "$T_TOOLS/udpvips" -n 5 -c "${vips[@]}" || :)
t_is "one socket that connects to one VIP after the other" \
	"$(t_json '[d[k] for k in ("received", "wrongSource", "wrongBackend", "lost")]' <<<"$report")" "[$((5 * n)), 0, 0, 0]"
t_is "a new socket each time: connected" "$(t_in "$T_TOOLS/connloop" -U -n "$n_connects" "${vips[0]}" | t_json 'd["ok"]')" "$n_connects"
t_is "a new socket each time: sendto" "$(t_in "$T_TOOLS/connloop" -u -n "$n_connects" "${vips[0]}" | t_json 'd["ok"]')" "$n_connects"
t_is "new sockets use all backends" \
	"$(t_in "$T_TOOLS/connloop" -u -n "$n_connects" "${vips[0]}" | t_json 'len(d["backends"])')" 2

backend() { t_json 'd["backends"]["10.96.1.1:53"] or d["error"]'; }
t_ask sticky "$T_TOOLS/udpvips" -i "${vips[0]}"
first=$(t_round sticky | backend)
rounds=$(for _ in $(seq 20); do t_round sticky; done)
t_is "an unconnected socket keeps its backend for 20 rounds" \
	"$(grep -c "\"10.96.1.1:53\": \"$first\"" <<<"$rounds")" 20
left=10.244.1.1
[ "$first" != 10.244.1.1:53 ] || left=10.244.1.2
t_service dns1 ip=10.96.1.1,fd00:96::1 port=53 target=53 proto=UDP backends="$left"
t_sync
t_is "it moves when the backend has left" "$(t_round sticky | backend)" "$left:53"
t_service dns1 ip=10.96.1.1,fd00:96::1 port=53 target=53 proto=UDP backends=10.244.1.1,10.244.1.2
t_sync
t_is "and stays there when the first comes back" "$(t_round sticky | backend)" "$left:53"
t_done
