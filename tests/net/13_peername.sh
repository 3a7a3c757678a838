#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# getpeername shows the VIP, or whatever the socket has connected to since.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 fd00:244::1
t_answer 10.244.0.1:8080 "[fd00:244::1]:8080"
t_service web ip=10.96.0.10,fd00:96::10 backends=10.244.0.1,fd00:244::1 proto=TCP,UDP
t_service other ip=10.96.0.11 backends=10.244.0.1 proto=TCP,UDP
t_start_agent
t_sync
t_tap t_in "$T_TOOLS/peername" 10.96.0.10:80 '[fd00:96::10]:80' 10.96.0.11:80 10.244.0.1:8080 \
	'[fd00:244::1]:8080'
t_done
