#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sockets whose slot is taken are translated back too, also by programs that are loaded later.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2 fd00:244::1
t_answer 10.244.0.1:8080 10.244.0.2:8080 "[fd00:244::1]:8080"
t_service web ip=10.96.0.10,fd00:96::10 backends=10.244.0.1,fd00:244::1 proto=TCP,UDP
t_service other ip=10.96.0.11 backends=10.244.0.2 proto=TCP,UDP
t_start_agent
t_sync

# Every slot is another socket's: cookie 1 is long gone.
taken() {
	local owners
	owners=$(echo "$T_PINS"/maps-*/rev_owners)
	awk -v pin="$owners" 'BEGIN { for (i = 0; i < 65536; i++) printf \
		"map update pinned %s key %d %d 0 0 value 1 0 0 0 0 0 0 0\n", pin, i % 256, i / 256 }' >"$T_DIR/taken"
	"$BPFTOOL" batch file "$T_DIR/taken" >/dev/null
}
replies() { # FACT - two VIPs of one unconnected socket
	local report
	report=$(t_in "$T_TOOLS/udpvips" -n 5 10.96.0.10:80=10.244.0.1 10.96.0.11:80=10.244.0.2 || :)
	t_is "$1" "$(t_json '[d[k] for k in ("sent", "received", "wrongSource", "lost")]' <<<"$report")" "[10, 10, 0, 0]"
}
peers() { t_tap t_in "$T_TOOLS/peername" 10.96.0.10:80 '[fd00:96::10]:80' 10.96.0.11:80 10.244.0.1:8080 '[fd00:244::1]:8080'; }

t_ask early "$T_TOOLS/udpvips" -i 10.96.0.10:80=10.244.0.1
t_like "a socket gets a slot" "$(t_round early)" '10\.244\.0\.1'
t_ok "all slots are taken" taken
replies "replies come from their VIPs without slots"
peers
t_stop_agent
t_start_agent
replies "the same after a restart of the agent"
t_done
