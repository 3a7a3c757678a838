#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The node's clock is wrong at a start, is set forward and back while the agent runs, and the node sleeps:
# nothing hangs, spins or is withdrawn, and the log says why TLS fails.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

healthz=http://127.0.0.1:10256/healthz
code() { curl -s --max-time 10 -o /dev/null -w '%{http_code}' "$1"; }
has_logged() { grep -Eq -- "$1" <(e_since); }
answers_by() { [ "$(t_name "$1")" = "$2" ]; }

e_up
t_addresses 10.244.0.2 10.244.9.2
t_answer 10.244.0.2:8080 10.244.9.2:8080
k_service fresh ip=10.96.0.30 backends=10.244.9.2
e_start_agent
t_sync
t_stop_agent

clocks() { # REALTIME BOOTTIME - seconds that the two are ahead for the agent and status
	python3 -IS -c 'import struct, sys
with open(sys.argv[1], "r+b") as file: file.write(struct.pack("=qq", int(sys.argv[2]), int(sys.argv[3])))' "$T_DIR/clocks" "$@"
}
wrong_clock() { ASAN_OPTIONS=verify_asan_link_order=0 TEST_CLOCKS=$T_DIR/clocks LD_PRELOAD=$T_TOOLS/clocks.so "$@"; }
is_well() { wrong_clock "$SVCBPF" status --pin-dir "$T_PINS" | grep -q '^All is well'; }
ticks() { awk '{ print $14 + $15 }' "/proc/$t_agent_pid/stat"; }
day=86400
truncate -s 16 "$T_DIR/clocks"
# probe FACT - what a jump must not change
probe() {
	local before
	t_ok "$1: status is well" t_wait 20 is_well
	[ "$e_probe" = 10.244.9.2 ] && e_probe=10.244.0.2 || e_probe=10.244.9.2
	k_service probe ip=10.96.9.9 backends=$e_probe
	t_ok "$1: a change is in force" t_wait 10 answers_by 10.96.9.9:80 $e_probe:8080
	t_is "$1: what has not changed is served" "$(t_name 10.96.0.30:80)" 10.244.9.2:8080
	t_is "$1: /healthz" "$(code $healthz)" 200
	before=$(ticks)
	t_pause 3
	t_ok "$1: it does not spin ($(($(ticks) - before)) ticks in 3 s)" [ $(($(ticks) - before)) -lt 60 ]
}
e_mark
clocks $((-50 * 365 * day)) 0 # no battery: the clock begins in the past
wrong_clock e_spawn_agent
t_ok "the clock is 50 years behind: ready" e_wait_agent
t_is "... from what is pinned: it serves" "$(t_name 10.96.0.30:80)" 10.244.9.2:8080
t_like "... the log says why there is no API server" "$(e_since)" 'services: .*certificate is not yet valid; this host.s clock says 19[0-9]{2}-'
t_like "... and tells no age without sense" "$(e_since)" 'does not answer: what is pinned is served, as it was 0 s ago'
clocks 0 0 # NTP
t_ok "the clock is set right: in step with the API" t_wait 20 has_logged 'services: in step with the API server again'
t_ok "... the log tells of the clock" t_wait 20 has_logged 'clock was set forward by [0-9]+ d'
probe "the clock was set right"
clocks 3600 0
t_ok "an hour forward: the log tells" t_wait 20 has_logged 'clock was set forward by 60 min'
probe "an hour forward"
clocks $((-2 * day)) 0
t_ok "two days back: the log tells" t_wait 20 has_logged 'clock was set back by 2 d'
probe "two days back"
clocks 0 0 # what TLS needs
t_ok "set right: the log tells" t_wait 20 has_logged 'clock was set forward by 2 d'
e_mark
clocks 7200 7200
t_ok "asleep for two hours: the log tells" t_wait 20 has_logged 'this host was suspended for 2 h'
t_is "... and not that somebody set the clock" "$(e_since | grep -c 'clock was set')" 0
probe "asleep for two hours"
clocks $((40 * day)) 7200 # certificates have expired, for all this host knows
e_signal api KILL
e_spawn_api
e_wait_api
t_ok "40 days forward, a new connection: the log says why it fails" t_wait 30 has_logged 'certificate has expired; this host.s clock says 20'
t_is "... what is there is served" "$(t_name 10.96.0.30:80)" 10.244.9.2:8080
t_like "... status says so" "$(wrong_clock "$SVCBPF" status --pin-dir "$T_PINS")" 'the API server .* was last heard'
clocks 0 7200
t_ok "set right: in step again" t_wait 20 has_logged 'services: in step with the API server again'
probe "set right again"
t_ok "the snapshot is of the present, not of the time before the clock was set back" \
	t_wait 40 python3 -IS -c 'import os, sys, time; sys.exit(abs(os.stat(sys.argv[1]).st_mtime - time.time()) > 60)' "$T_DIR/state/snapshot"
t_stop_agent
t_is "it ends when asked to" "$t_agent_status" 0
t_done
