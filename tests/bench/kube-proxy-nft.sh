#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rules kube-proxy 1.36 writes in nftables mode, for as many Services of type NodePort.
#
#   kube-proxy-nft.sh NODE4 NODE6 N-FILLERS [CLUSTER-IP4 CLUSTER-IP6 NODEPORT BACKEND4 BACKEND6]...
#
# Each of the groups is a Service "tcp and udp 80 -> 8080" with one backend; the fillers have
# addresses of their own, so that the maps have a size. Chains, hooks, priorities and their order are
# kube-proxy's; names are shortened, comments left out.
set -euo pipefail

node4=$1 node6=$2 n_fillers=$3
shift 3
services=("$@")
for ((i = 0; i < n_fillers; i++)); do
	services+=("10.97.$((i / 250)).$((i % 250))" "fd00:97::$i" $((31000 + i)) 10.244.1.12 fd00:244:1::12)
done

bracket() { [[ $1 = *:* ]] && echo "[$1]" || echo "$1"; }

# maps FIELD...: lines of one family; $1 4 or 6
elements() { # FAMILY KIND
	local i ip port proto
	for ((i = 0; i < ${#services[@]}; i += 5)); do
		[ "$1" = 4 ] && ip=${services[i]} || ip=${services[i + 1]}
		port=${services[i + 2]}
		for proto in tcp udp; do
			case $2 in
			cluster-ips) [ $proto = udp ] || echo "$ip," ;;
			service-ips) echo "$ip . $proto . 80 : goto service-$i-$proto," ;;
			service-nodeports) echo "$proto . $port : goto external-$i-$proto," ;;
			esac
		done
	done
}

chains() { # FAMILY ip|ip6 POD-CIDR
	local i ip backend proto
	for ((i = 0; i < ${#services[@]}; i += 5)); do
		[ "$1" = 4 ] && ip=${services[i]} || ip=${services[i + 1]}
		[ "$1" = 4 ] && backend=${services[i + 3]} || backend=${services[i + 4]}
		for proto in tcp udp; do
			cat <<-NFT
				chain endpoint-$i-$proto {
					$2 saddr $backend jump mark-for-masquerade
					meta l4proto $proto dnat to $(bracket "$backend"):8080
				}
				chain service-$i-$proto {
					$2 daddr $ip $proto dport 80 $2 saddr != $3 jump mark-for-masquerade
					numgen random mod 1 vmap { 0 : goto endpoint-$i-$proto }
				}
				chain external-$i-$proto {
					jump mark-for-masquerade
					goto service-$i-$proto
				}
			NFT
		done
	done
}

table() { # FAMILY ip|ip6 TYPE NODE POD-CIDR SERVICE-CIDR
	cat <<-NFT
		table $2 kube-proxy {
			set cluster-ips {
				type $3
				elements = { $(elements "$1" cluster-ips) }
			}
			set nodeport-ips {
				type $3
				elements = { $4 }
			}
			map firewall-ips { type $3 . inet_proto . inet_service : verdict; }
			map no-endpoint-services { type $3 . inet_proto . inet_service : verdict; }
			map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
			chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
			chain masquerading {
				meta mark & 0x4000 == 0 return
				meta mark set meta mark xor 0x4000
				masquerade fully-random
			}
			$(chains "$1" "$2" "$5")
			map service-ips {
				type $3 . inet_proto . inet_service : verdict
				elements = { $(elements "$1" service-ips) }
			}
			map service-nodeports {
				type inet_proto . inet_service : verdict
				elements = { $(elements "$1" service-nodeports) }
			}
			chain services {
				$2 daddr . meta l4proto . th dport vmap @service-ips
				$2 daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
			}
			chain cluster-ips-check {
				$2 daddr @cluster-ips reject
				$2 daddr $6 drop
			}
			chain firewall-check { $2 daddr . meta l4proto . th dport vmap @firewall-ips; }
			chain service-endpoints-check { $2 daddr . meta l4proto . th dport vmap @no-endpoint-services; }
			chain nodeport-endpoints-check {
				$2 daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
			}
			chain filter-prerouting-pre-dnat {
				type filter hook prerouting priority -110; policy accept;
				ct state new jump firewall-check
			}
			chain filter-output-pre-dnat {
				type filter hook output priority -110; policy accept;
				ct state new jump firewall-check
			}
			chain filter-input {
				type filter hook input priority -110; policy accept;
				ct state new jump nodeport-endpoints-check
				ct state new jump service-endpoints-check
			}
			chain filter-forward {
				type filter hook forward priority -110; policy accept;
				ct state new jump service-endpoints-check
			}
			chain filter-output {
				type filter hook output priority -110; policy accept;
				ct state new jump service-endpoints-check
			}
			chain filter-output-post-dnat {
				type filter hook output priority -90; policy accept;
				ct state new jump cluster-ips-check
			}
			chain filter-forward-post-dnat {
				type filter hook forward priority 0; policy accept;
				ct state new jump cluster-ips-check
			}
			chain nat-prerouting { type nat hook prerouting priority -100; policy accept; jump services; }
			chain nat-output { type nat hook output priority -100; policy accept; jump services; }
			chain nat-postrouting { type nat hook postrouting priority 100; policy accept; jump masquerading; }
		}
	NFT
}

table 4 ip ipv4_addr "$node4" 10.244.0.0/16 10.96.0.0/12
table 6 ip6 ipv6_addr "$node6" fd00:244::/32 fd00:96::/111
