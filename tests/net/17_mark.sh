#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A socket with the bypass mark is not translated.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

mark=$(sed -nE 's/^#define SVC_BYPASS_MARK (0x[0-9a-f]+)u?$/\1/p' "$T_ROOT/include/svcbpf/abi.h")
t_addresses 10.244.0.1 fd00:244::1
t_answer 10.244.0.1:8080 "[fd00:244::1]:8080"
t_service web ip=10.96.0.10,fd00:96::10 backends=10.244.0.1,fd00:244::1 proto=TCP,UDP nodeport=30080
t_start_agent
t_sync

t_is "without a mark: translated" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
t_is "with another mark: translated" "$(t_name 10.96.0.10:80 -k 0x1)" 10.244.0.1:8080
t_is "connect, IPv4" "$(t_name 10.96.0.10:80 -k "$mark")" ENETUNREACH
t_is "connect, IPv6" "$(t_name '[fd00:96::10]:80' -k "$mark")" ENETUNREACH
t_is "connect, mapped" "$(t_name 10.96.0.10:80 -m -k "$mark")" ENETUNREACH
t_is "sendto" "$(t_name 10.96.0.10:80 -u -k "$mark")" ENETUNREACH
t_name_is "a NodePort is an ordinary port then" ECONNREFUSED 127.0.0.1:30080 -k "$mark"
t_like "it is counted" "$(t_dump stats)" 'bypassed +[1-9]'
t_done
