#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every kind of VIP reaches a backend: TCP, IPv4, IPv6 and mapped.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

node4=192.0.2.1 node6=2001:db8::1
ip link add node0 type veth peer name node1
ip link set node0 up
ip link set node1 up
ip addr add $node4/24 dev node0
ip addr add $node6/64 dev node0 nodad
t_pod pod1 10.244.1.2 fd00:244:1::2

t_addresses 10.244.0.1 10.244.0.2 fd00:244::1 fd00:244::2
t_answer 10.244.0.1:8080 10.244.0.2:8080 "[fd00:244::1]:8080" "[fd00:244::2]:8080"
t_service web ip=10.96.0.10,fd00:96::10 backends=10.244.0.1,fd00:244::1 nodeport=30080 \
	external=198.51.100.7,2001:db8:7::7 lb=203.0.113.9,2001:db8:9::9 proto=TCP,UDP
t_service other ip=10.96.0.11 port=8443 backends=10.244.0.2
t_start_agent
t_sync

b4=10.244.0.1:8080 b6="[fd00:244::1]:8080"
t_is "ClusterIP, IPv4" "$(t_name 10.96.0.10:80)" $b4
t_is "ClusterIP, IPv6" "$(t_name '[fd00:96::10]:80')" "$b6"
t_is "ClusterIP, mapped" "$(t_name 10.96.0.10:80 -m)" $b4
t_is "externalIP, IPv4" "$(t_name 198.51.100.7:80)" $b4
t_is "externalIP, IPv6" "$(t_name '[2001:db8:7::7]:80')" "$b6"
t_is "load balancer IP, IPv4" "$(t_name 203.0.113.9:80)" $b4
t_is "load balancer IP, IPv6" "$(t_name '[2001:db8:9::9]:80')" "$b6"
t_is "a second Service goes its own way" "$(t_name 10.96.0.11:8443)" 10.244.0.2:8080

for address in $node4 10.244.0.2 127.0.0.1 127.0.0.2 127.255.255.254; do
	t_name_is "NodePort on $address" $b4 "$address:30080"
	t_name_is "NodePort on $address, mapped" $b4 "$address:30080" -m
	t_name_is "NodePort on $address, UDP" $b4 "$address:30080" -u
done
for address in $node6 fd00:244::2 ::1; do
	t_name_is "NodePort on $address" "$b6" "[$address]:30080"
	t_name_is "NodePort on $address, UDP" "$b6" "[$address]:30080" -u
done
t_is "a NodePort is no port of other addresses" "$(t_name 203.0.113.77:30080)" ENETUNREACH
t_is "a port next to the NodePort is not ours" "$(t_name $node4:30081)" ECONNREFUSED

t_is "from a pod: ClusterIP" "$(t_name_in_pod pod1 10.96.0.10:80)" $b4
t_is "from a pod: ClusterIP, IPv6" "$(t_name_in_pod pod1 '[fd00:96::10]:80')" "$b6"
t_is "from a pod: NodePort on the node's address" "$(t_name_in_pod pod1 $node4:30080)" $b4
t_is "from a pod: NodePort on the node's address, IPv6" "$(t_name_in_pod pod1 "[$node6]:30080")" "$b6"
for address in 127.0.0.1 127.0.0.2 '[::1]'; do
	t_is "from a pod: no NodePort on its own $address" "$(t_name_in_pod pod1 "$address:30080")" ECONNREFUSED
done

late=203.0.113.77
answers() { [ "$(t_name "$late:30080" -t 200)" = "$b4" ]; }
answers_not() { [ "$(t_name "$late:30080" -t 200)" = ENETUNREACH ]; }
ip addr add $late/32 dev node1
t_ok "an address that the node gets later answers too" t_wait 10 answers
ip addr del $late/32 dev node1
t_ok "and no longer when the node has lost it" t_wait 10 answers_not
t_is "the backend itself is dialled as it is" "$(t_name 10.244.0.2:8080)" 10.244.0.2:8080
t_done
