#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Readers through real connects while Services change: each lands on a backend of its Service.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

n=8
listen=()
for i in $(seq $n); do
	for j in 1 2 3 4; do
		t_addresses "10.244.$i.$j"
		listen+=("10.244.$i.$j:8080")
	done
done
t_answer "${listen[@]}"

# write INDEX - some of its four backends, one to four of them
write() {
	local i=$1 j some=()
	for j in 1 2 3 4; do [ $((RANDOM % 2)) = 0 ] || some+=("10.244.$i.$j"); done
	[ ${#some[@]} -gt 0 ] || some=("10.244.$i.1")
	t_service "s$i" ip="10.96.0.$i" proto=TCP,UDP backends="$(IFS=, && echo "${some[*]}")"
}
for i in $(seq $n); do write "$i"; done
t_start_agent
t_sync

# Services 1 to 4 change only; 5 to 8 also come and go, and may be absent.
steady=() changing=()
declare -A loops
for i in 1 2 3 4; do steady+=("10.96.0.$i:80=10.244.$i."); done
for i in 5 6 7 8; do changing+=("10.96.0.$i:80=10.244.$i.?"); done
t_exec "$T_TOOLS/connloop" -n 100000000 -d 200 "${steady[@]}" "${changing[@]}" >"$T_DIR/tcp" 2>&1 &
loops[tcp]=$!
t_exec "$T_TOOLS/connloop" -u -n 100000000 -d 200 -r "$(t_scaled 3000)" "${steady[@]}" "${changing[@]}" >"$T_DIR/udp" 2>&1 &
loops[udp]=$!

# 60 at least: a slow machine, too, must have seen Services away.
deadline=$(($(t_now_ms) + $(t_scaled 20000)))
n_writes=0
while [ "$(t_now_ms)" -lt $deadline ] || [ $n_writes -lt 60 ]; do
	i=$((RANDOM % n + 1))
	if [ $i -gt 4 ] && [ $((RANDOM % 2)) = 0 ]; then
		rm -f "$T_MANIFESTS/s$i.yaml"
	else
		write $i
	fi
	n_writes=$((n_writes + 1))
	t_pause 0.0$((RANDOM % 10))
done
t_sync

for loop in tcp udp; do
	kill "${loops[$loop]}"
	wait "${loops[$loop]}" || :
	report=$(<"$T_DIR/$loop")
	t_ok "$loop: connects were made during $n_writes writes ($(t_json 'd["ok"]' <<<"$report"))" \
		[ "$(t_json 'd["ok"]' <<<"$report")" -gt "$(t_scaled 5000)" ]
	for what in wrong failed untranslated; do
		t_is "$loop: $what" "$(t_json "d['$what']" <<<"$report")" 0
	done
	t_ok "$loop: Services that came and went were met and missed" \
		[ "$(t_json 'd["absent"]' <<<"$report")" -gt 0 ]
	t_diag "$report"
done
t_done
