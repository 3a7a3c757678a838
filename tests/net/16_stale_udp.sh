#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A connected UDP socket is ended when its backend leaves, in every network namespace.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2 fd00:244::1 fd00:244::2
t_answer 10.244.0.1:53 10.244.0.2:53 "[fd00:244::1]:53" "[fd00:244::2]:53"
t_pod pod1 10.244.1.2 fd00:244:1::2
t_pod pod2 10.244.1.3 fd00:244:1::3
dns() { t_service dns ip=10.96.0.53,fd00:96::53 port=53 target=53 proto=UDP nodeport=30053 "$@"; }
dns backends=10.244.0.1,fd00:244::1
t_service last ip=10.96.0.54 port=53 target=53 proto=UDP backends=10.244.0.1
t_start_agent
t_sync

in_pod() { local pod=$1 && shift && echo nsenter --net="/run/netns/$pod" -- "$@"; }
# shellcheck disable=SC2046 # words are meant to be split
{
	t_ask node "$T_TOOLS/udpvips" -i -C 10.96.0.53:53
	t_ask port "$T_TOOLS/udpvips" -i -C 10.244.0.2:30053
	t_ask pod1 $(in_pod pod1 "$T_TOOLS/udpvips" -i -C 10.96.0.53:53)
	t_ask mapped $(in_pod pod2 "$T_TOOLS/udpvips" -i -C -m 10.96.0.53:53)
	t_ask six $(in_pod pod2 "$T_TOOLS/udpvips" -i -C "[fd00:96::53]:53")
	t_ask direct $(in_pod pod1 "$T_TOOLS/udpvips" -i -C 10.244.0.1:53)
	t_ask other $(in_pod pod1 "$T_TOOLS/udpvips" -i -C 10.96.0.54:53)
}
error() { t_round "$1" | t_json 'd["error"] or d["received"]'; }
for socket in node port pod1 mapped six direct other; do
	t_is "$socket: talks" "$(error $socket)" 1
done

dns backends=10.244.0.2,fd00:244::2
rm "$T_MANIFESTS/last.yaml"
t_service last ip=10.96.0.54 port=53 target=53 proto=UDP
t_sync
is_aborted() { [ "$(error "$1")" = ECONNABORTED ]; }
for socket in node port pod1 mapped six; do
	t_ok "$socket: ended, so that its owner connects again" t_wait 10 is_aborted $socket
done
t_is "a socket that dialled the pod itself goes on" "$(error direct)" 1
t_is "so does one whose Service has no endpoint left at all" "$(error other)" 1
t_is "a new socket reaches the new backend" "$(t_name_in_pod pod1 10.96.0.53:53 -U)" 10.244.0.2:53
t_done
