#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two agents with pin directories of their own do not disturb each other, not even on one cgroup.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2
t_answer 10.244.0.1:8080 10.244.0.2:8080
t_service web ip=10.96.0.10 backends=10.244.0.1
t_start_agent
first_pins=$T_PINS

second=$T_DIR/second
mkdir "$second"
T_MANIFESTS=$second T_PINS=$T_PINS-second
t_service other ip=10.96.0.11 backends=10.244.0.2
t_start_agent

t_is "a Service of the first" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
t_is "a Service of the second" "$(t_name 10.96.0.11:80)" 10.244.0.2:8080
t_ok "both pass their self-test: the second" "$SVCBPF" status --pin-dir "$T_PINS"
t_ok "... and the first" "$SVCBPF" status --pin-dir "$first_pins"
t_stop_agent
"$SVCBPF" cleanup --pin-dir "$T_PINS" >/dev/null
t_is "the first goes on" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
t_ok "... and is well" "$SVCBPF" status --pin-dir "$first_pins"
t_done
