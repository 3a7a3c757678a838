#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a service manager is told while the API server comes, goes, freezes and comes back. A listener
# stands in for systemd; tests/net/62_package.sh has the real one.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

told=$T_DIR/told
export NOTIFY_SOCKET=$T_DIR/notify WATCHDOG_USEC=1000000

# One message a line, with blanks for the ends of its lines.
python3 -IS -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\n", " "), flush=True)
' "$NOTIFY_SOCKET" >"$told" &
t_ok "something listens in systemd's place" t_wait 10 test -S "$NOTIFY_SOCKET"

# since - what was told after the last mark; last PATTERN - the last line of it like that.
mark() { marked=$(wc -l <"$told"); }
since() { tail -n "+$((marked + 1))" "$told"; }
has() { since | grep -Eq -- "$1"; }
last() { since | grep -E -- "$1" | tail -n 1; }
count() { since | grep -Ec -- "$1" || :; }

e_up
e_stable
mark
e_signal api STOP
e_spawn_agent
t_ok "a start is told to go on" t_wait 20 has '^EXTEND_TIMEOUT_USEC=[0-9]+$'
t_ok "a frozen API server is waited for, which the status says" t_wait 20 has "^STATUS=waiting for $E_URL"
t_pause 11
t_is "... and the start gets no more time for it, and does not end" \
	"$(count '^EXTEND') $(count '^READY')" '1 0'
t_ok "... while the watchdog is fed" [ "$(count '^WATCHDOG=1$')" -ge 5 ]
e_signal api CONT
e_wait_api
t_ok "the agent becomes ready" e_wait_agent
t_ok "... which is told" t_wait 10 has '^READY=1$'
t_ok "... and the status says how many Services there are" \
	t_wait 20 has "^STATUS=in step with $E_URL: [0-9]+ Services"

mark
kill -HUP "$t_agent_pid"
t_ok "SIGHUP: that everything is read again is told" t_wait 10 has '^RELOADING=1 MONOTONIC_USEC=[0-9]+$'
t_ok "... and when it has been" t_wait 20 has '^READY=1$'

mark
e_signal api STOP
kill -HUP "$t_agent_pid"
t_ok "SIGHUP while the API server is frozen" t_wait 10 has '^RELOADING=1'
t_pause 5
t_is "... does not end before it answers" "$(count '^READY')" 0
e_signal api CONT
e_wait_api
t_ok "... and then does" t_wait 60 has '^READY=1$'

mark
e_signal api KILL
t_ok "without an API server the status says since when, and why" \
	t_wait 60 has '^STATUS=Services are served as they were .* ago; .*(onnect|refused)'
t_diag "$(last ^STATUS)"
t_is "... which is no reason to be started again" "$([ "$(count '^WATCHDOG=1$')" -ge 1 ] && echo fed)" fed

mark
t_stop_agent
t_is "the last that is told is that it stops" "$(since | tail -n 1)" STOPPING=1
t_done
