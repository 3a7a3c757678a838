#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What has no backend is refused at once; what a policy forbids as well.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1 10.244.0.2 fd00:244::1
t_answer 10.244.0.1:8080 10.244.0.2:8080 "[fd00:244::1]:8080"
t_service empty ip=10.96.0.20,fd00:96::20 proto=TCP,UDP nodeport=30020
t_service internal ip=10.96.0.21 backends=10.244.0.1,10.244.0.2 internal=Local local=10.244.0.2
t_service nowhere ip=10.96.0.22 backends=10.244.0.1 internal=Local local= proto=TCP,UDP
t_service external ip=10.96.0.23 backends=10.244.0.1 external_policy=Local local= nodeport=30023 \
	external=198.51.100.23
t_service fourteen ip=10.96.0.24,fd00:96::24 backends=10.244.0.1
t_start_agent
t_sync

refused=$(t_refused)
for vip in 10.96.0.20:80 '[fd00:96::20]:80' 127.0.0.1:30020; do
	t_name_is "no endpoints: connect to $vip" "$refused" "$vip"
	t_name_is "no endpoints: sendto $vip" "$refused" "$vip" -u
	t_name_is "no endpoints: connected UDP socket to $vip" "$refused" "$vip" -U
done
t_is "no endpoints, mapped" "$(t_name 10.96.0.20:80 -m)" "$refused"
slowest=$(t_in "$T_TOOLS/connloop" -n 100 '10.96.0.20:80?' | t_json 'd["slowestMs"]')
t_ok "each of 100 is refused within 500 ms (took $slowest)" [ "$slowest" -le 500 ]
t_is "no endpoints of one family: refused in that family" "$(t_name '[fd00:96::24]:80')" "$refused"
t_is "... and served in the other" "$(t_name 10.96.0.24:80)" 10.244.0.1:8080

report=$(t_in "$T_TOOLS/connloop" -n 50 10.96.0.21:80=10.244.0.2: || :)
t_is "internalTrafficPolicy Local: local backends only" "$(t_json 'd["ok"]' <<<"$report")" 50
t_is "internalTrafficPolicy Local, none local: refused" "$(t_name 10.96.0.22:80)" "$refused"
t_is "internalTrafficPolicy Local, none local, UDP: refused" "$(t_name 10.96.0.22:80 -u)" "$refused"
for vip in 10.96.0.23:80 127.0.0.1:30023 198.51.100.23:80; do
	t_name_is "externalTrafficPolicy Local: clients here use all backends ($vip)" 10.244.0.1:8080 $vip
done
t_is "a port that the Service does not have is not translated" "$(t_name 10.96.0.23:81)" ENETUNREACH
t_is "a protocol that it does not have neither" "$(t_name 10.96.0.23:80 -u)" ENETUNREACH

t_service empty ip=10.96.0.20,fd00:96::20 proto=TCP,UDP nodeport=30020 backends=10.244.0.2
t_sync
t_is "the first endpoint ends the refusals" "$(t_name 10.96.0.20:80)" 10.244.0.2:8080
t_service empty ip=10.96.0.20,fd00:96::20 proto=TCP,UDP nodeport=30020
t_sync
t_is "the last one's end begins them again" "$(t_name 10.96.0.20:80)" "$refused"
t_like "refusals are counted" "$(t_dump stats)" 'no_backend_refused +[1-9]'
t_done
