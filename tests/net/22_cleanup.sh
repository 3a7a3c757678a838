#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# After cleanup nothing of ours is left.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1
t_answer 10.244.0.1:8080
t_service web ip=10.96.0.10 backends=10.244.0.1
t_start_agent
t_sync
t_is "translated" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080

status=0
message=$("$SVCBPF" cleanup --pin-dir "$T_PINS" 2>&1) || status=$?
t_is "cleanup beside a running agent is refused" $status 1
t_is "... in one line" "$(wc -l <<<"$message")" 1
t_is "... and changes nothing" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080

t_stop_agent
programs=$(t_attached | xargs)
maps=$(for id in $programs; do "$BPFTOOL" -j prog show id "$id"; done |
	python3 -c 'import json,sys
d = json.JSONDecoder(); text = sys.stdin.read().strip(); ids = set()
while text:
    o, n = d.raw_decode(text); ids |= set(o.get("map_ids", [])); text = text[n:].strip()
print(*ids)')
pins=$(find "$T_PINS" -type f | wc -l)
t_ok "there is something to clean up: $(wc -w <<<"$programs") programs, $(wc -w <<<"$maps") maps, $pins pins" \
	[ "$(wc -w <<<"$programs")" -ge 8 -a "$(wc -w <<<"$maps")" -ge 8 -a "$pins" -ge 16 ]
t_is "still translated while no agent runs" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080

t_ok "cleanup" "$SVCBPF" cleanup --pin-dir "$T_PINS"
t_is "no program on the cgroup" "$(t_attached)" ""
gone() { # TYPE IDS...
	local type=$1 id
	shift
	for id; do ! "$BPFTOOL" "$type" show id "$id" || return 1; done
}
# shellcheck disable=SC2086 # lists of numbers
{
	t_ok "the programs are gone" t_wait 10 gone prog $programs
	t_ok "the maps are gone" t_wait 10 gone map $maps
}
t_ok "the pin dir is gone" [ ! -e "$T_PINS" ]
t_is "a VIP is an address like any other" "$(t_name 10.96.0.10:80)" ENETUNREACH
t_like "a second cleanup has nothing to do, and says so" "$("$SVCBPF" cleanup --pin-dir "$T_PINS" 2>&1)" '^nothing to clean'
t_start_agent
t_is "and everything can begin again" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
t_done
