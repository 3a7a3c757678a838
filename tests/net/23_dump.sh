#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# dump shows what the kernel holds, also without an agent; verify finds drift.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2 fd00:244::1
t_answer 10.244.0.1:8080 10.244.0.2:8080 "[fd00:244::1]:8080"
t_service web ip=10.96.0.10,fd00:96::10 backends=10.244.0.1,10.244.0.2,fd00:244::1 nodeport=30080 \
	external=198.51.100.7 lb=203.0.113.9 affinity=60 proto=TCP,UDP
t_service local ip=10.96.0.11 backends=10.244.0.1,10.244.0.2 local=10.244.0.1 internal=Local
t_service split ip=10.96.0.12 backends=10.244.0.1,10.244.0.2 local=10.244.0.1 external_policy=Local nodeport=30012
t_service empty ip=10.96.0.13
t_start_agent
t_sync

verify() { "$SVCBPF" verify --manifests "$T_MANIFESTS" --pin-dir "$T_PINS"; }
alive=$(t_dump -o json)
t_is "dump equals plan, as JSON" "$alive" "$(t_plan -o json)"
t_is "dump equals plan, as YAML" "$(t_dump -o yaml)" "$(t_plan -o yaml)"
t_is "the JSON is JSON with as many frontends as asked for" "$(t_json 'len(d["frontends"])' <<<"$alive")" 16
t_ok "verify agrees" verify
t_stop_agent KILL
t_is "dump is the same while the agent is dead" "$(t_dump -o json)" "$alive"
t_ok "verify agrees while the agent is dead" verify
for kind in frontends backends affinity nodes stats all; do
	t_ok "dump $kind" grep -q . <(t_dump "$kind")
done
t_like "the table names the Service" "$(t_dump)" 'default/web'
t_is "--service filters" "$(t_dump -o json --service default/empty | t_json '[f["service"] for f in d["frontends"]]')" \
	"['default/empty']"

map=$(find "$T_PINS" -name frontends4)
t_ok "the map of frontends is pinned: ${map#"$T_DIR"}" [ -n "$map" ]
# Clear the key of 10.96.0.11:80/TCP (network order, scope "address") in its bucket.
update=$("$BPFTOOL" -j map dump pinned "$map" | python3 -c '
import json, sys
key = [10, 96, 0, 11, 0, 80, 6, 0]
for element in json.load(sys.stdin):
    value = [int(byte, 16) for byte in element["value"]]
    for at in range(0, 40, 8):
        if value[at:at + 8] == key:
            value[at:at + 8] = [0] * 8
            print("key hex", *(byte[2:] for byte in element["key"]), "value hex", *("%02x" % b for b in value))
')
t_like "its bucket is found" "$update" 'key hex'
# shellcheck disable=SC2086 # words of a command
"$BPFTOOL" map update pinned "$map" $update
status=0
report=$(verify) || status=$?
t_is "verify finds a deleted frontend: exit status 1" $status 1
t_like "... and names it" "$report" 'default/local'
t_is "dump does not show it" "$(t_dump -o json | t_json '[f for f in d["frontends"] if f["address"] == "10.96.0.11"]')" '[]'
t_start_agent
t_ok "a new agent repairs it" verify
rm "$T_MANIFESTS/empty.yaml"
t_sync
t_service more ip=10.96.0.14 backends=10.244.0.2
t_stop_agent
t_service even-more ip=10.96.0.15 backends=10.244.0.2
status=0
report=$(verify) || status=$?
t_is "verify finds what was never programmed: exit status 1" $status 1
t_like "... and names it" "$report" 'default/even-more'
"$SVCBPF" cleanup --pin-dir "$T_PINS" >/dev/null
for command in dump status "verify --manifests $T_MANIFESTS"; do
	status=0
	# shellcheck disable=SC2086 # a command and its options
	"$SVCBPF" $command --pin-dir "$T_PINS" >/dev/null 2>&1 || status=$?
	t_is "${command%% *} without pins: exit status 3" $status 3
done
t_done
