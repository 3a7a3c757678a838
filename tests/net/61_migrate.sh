#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From kube-proxy and back on one node: what `svcbpf migrate check` sees of real rules and of a
# process that stands in for kube-proxy, and the documented order under open connections. With it
# the facts about the kernel that this order rests on. Needs nft, iptables and perl.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/topology.sh
. "$(dirname "$0")/topology.sh"

for program in nft iptables-nft iptables-legacy perl; do
	command -v $program >/dev/null || t_skip_all "needs $program"
done
declare -A steady_pid
n_outside=$(t_scaled 60) n_inside=$(t_scaled 20) n_udp=$(t_scaled 16) rate=$(t_scaled 20)

# on_node NAME COMMAND... & - in a namespace; $! is the command itself. in_node: in node1's cgroup too.
on_node() { exec nsenter --net="/run/netns/$1" -- "${@:2}"; }
in_node() {
	echo 0 >"$T_CGROUP/node1/cgroup.procs"
	on_node "$@"
}

# ------------------------------------------------------------------ kube-proxy, as far as it matters

# The rules kube-proxy would write for "near" and "far": NodePorts 30080 and 30081, and their ClusterIPs.
# An address alone is in brackets where a port follows: ip6 only.
proxy_rules() { # ip|ip6
	local family=4 near far node any='meta l4proto { tcp, udp } th'
	[ "$1" = ip ] || family=6
	near=$(n_bracket "$(n_host pod11 "$family")"):8080
	far=$(n_bracket "$(n_host pod21 "$family")"):8080
	node=$(n_host node1 "$family")
	n_on node1 nft -f - <<-NFT
		table $1 kube-proxy {
			chain services {
				$1 daddr $(n_host "$vip_near" "$family") $any dport 80 dnat to $near
				$1 daddr $(n_host "$vip_far" "$family") $any dport 80 dnat to $far
				$1 daddr $node $any dport 30080 meta mark set 0x4000 dnat to $near
				$1 daddr $node $any dport 30081 meta mark set 0x4000 dnat to $far
			}
			chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
			chain nat-output { type nat hook output priority -100; jump services; }
			chain nat-postrouting {
				type nat hook postrouting priority srcnat
				meta mark & 0x4000 != 0 masquerade
			}
		}
	NFT
}
both() { "$@" ip && "$@" ip6; }
proxy_delete() { n_on node1 nft delete table "$1" kube-proxy; }

# The documented way to keep what is open without kube-proxy's rules.
keep() {
	n_on node1 nft 'table inet keep-open { chain nat { type nat hook postrouting priority 300; ct state new; }; }'
}
unkeep() { n_on node1 nft delete table inet keep-open; }

# A process of that name on the node, which answers where kube-proxy does.
proxy_start() {
	cat >"$T_DIR/kube-proxy.conf" <<-YAML
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: nftables
		clusterCIDR: 10.244.0.0/16
		nftables: {masqueradeAll: true}
	YAML
	cat >"$T_DIR/kube-proxy.pl" <<-'PERL'
		use IO::Socket::INET;
		use IO::Select;
		my @servers = map { IO::Socket::INET->new(LocalAddr => $_, Listen => 8, ReuseAddr => 1) or die "$_: $!" }
			("127.0.0.1:10249", "0.0.0.0:10256");
		my $select = IO::Select->new(@servers);
		$| = 1;
		print "ready\n";
		while (1) {
			for my $server ($select->can_read) {
				my $client = $server->accept or next;
				sysread $client, my $request, 4096;
				my $body = $request =~ m{^GET /proxyMode } ? "nftables" : "ok";
				syswrite $client, "HTTP/1.0 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
			}
		}
	PERL
	# shellcheck disable=SC2016 # for the inner shell
	on_node node1 bash -c 'exec -a /usr/local/bin/kube-proxy perl "$@"' - \
		"$T_DIR/kube-proxy.pl" --config="$T_DIR/kube-proxy.conf" --hostname-override=node1 \
		>"$T_DIR/kube-proxy.log" 2>&1 &
	proxy_pid=$!
	t_wait_line 20 "$T_DIR/kube-proxy.log" '^ready' $proxy_pid ||
		t_bail "the stand-in for kube-proxy starts" "$(<"$T_DIR/kube-proxy.log")"
}

proxy_stop() {
	kill $proxy_pid
	wait $proxy_pid 2>/dev/null || :
}

# ------------------------------------------------------------------ traffic

# steady NAME COMMAND... - steady.py, run by the command; it goes on until steady_is.
steady() {
	local log=$T_DIR/steady.$1
	"${@:2}" >"$log" 2>"$log.errors" &
	steady_pid[$1]=$!
	t_wait_line 30 "$log" '^ready' $! || t_bail "traffic $1 begins" "$(cat "$log" "$log.errors")"
}

# steady_is FACT NAME OPEN - nothing of it was lost; it had so many open connections.
steady_is() {
	local log=$T_DIR/steady.$2
	kill "${steady_pid[$2]}" 2>/dev/null || :
	wait "${steady_pid[$2]}" 2>/dev/null || :
	t_like "$1: $2: $3 open connections, none broken; no new one failed" "$(tail -n 1 "$log")" \
		"\"open\": $3, \"broken\": 0, \"asked\": [1-9][0-9]*, \"connects\": [1-9][0-9]*, \"failed\": 0,"
	t_diag "$(tail -n 1 "$log")"
}

targets() { # near|far...: NodePorts of node1, by both families
	local one family
	for one; do
		for family in 4 6; do
			[ "$one" = near ] && echo "$(n_bracket "$(n_host node1 $family)"):30080/" ||
				echo "$(n_bracket "$(n_host node1 $family)"):30081/"
		done
	done
}
vips() { # the same, their ClusterIPs
	local family
	for family in 4 6; do
		echo "$(n_bracket "$(n_host "$vip_near" $family)"):80/"
		echo "$(n_bracket "$(n_host "$vip_far" $family)"):80/"
	done
}

# From outside, from the node itself, and from a pod: 100 open connections; and over UDP.
begin_traffic() {
	local list
	mapfile -t list < <(targets near far; vips)
	list=("${list[@]/#/udp:}")
	steady udp-outside on_node client python3 -IS "$tool" -o "$n_udp" -r "$rate" "${list[@]:0:4}"
	steady udp-node in_node node1 python3 -IS "$tool" -o "$n_udp" -r "$rate" "${list[@]:4}"
	steady udp-pod in_node pod12 python3 -IS "$tool" -o "$n_udp" -r "$rate" "${list[@]:4}"
	# shellcheck disable=SC2046 # one target a word
	steady outside on_node client python3 -IS "$tool" -o "$n_outside" -r "$rate" $(targets near far)
	# shellcheck disable=SC2046
	steady node in_node node1 python3 -IS "$tool" -o "$n_inside" -r "$rate" $(vips)
	# shellcheck disable=SC2046
	steady pod in_node pod12 python3 -IS "$tool" -o "$n_inside" -r "$rate" $(vips)
}

end_traffic() { # FACT
	t_pause 3 # each open connection is asked again after what was done
	steady_is "$1" outside "$n_outside"
	steady_is "$1" node "$n_inside"
	steady_is "$1" pod "$n_inside"
	steady_is "$1" udp-outside "$n_udp"
	steady_is "$1" udp-node "$n_udp"
	steady_is "$1" udp-pod "$n_udp"
}

# One connection through the NodePort that stays open; ask_one says what comes on it.
open_one() {
	t_ask one nsenter --net=/run/netns/client -- python3 -IS -u -c "
import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '$(dirname "$tool")')
import steady; steady.TIMEOUT_S = 2
c = steady.Connection('${n_ip4[node1]}:30081/')
for _ in sys.stdin:
    try: print(c.ask().decode().split()[0], flush=True)
    except (OSError, steady.Failure) as e: print('broken', e, flush=True)"
}
ask_one() { t_round one; }
close_one() {
	# shellcheck disable=SC2154 # set by t_ask
	eval "exec $t_in_one>&- $t_out_one<&-"
	rm "$T_DIR/one.in" "$T_DIR/one.out"
}

# ------------------------------------------------------------------ the report

check() { # NODE [OPTIONS]: sets report and status
	status=0
	report=$(n_on "$1" "$SVCBPF" migrate check --node-name "$1" --pin-dir "$T_DIR/bpf/$1" \
		--manifests "$T_MANIFESTS" "${@:2}" 2>&1) || status=$?
}

sees() { t_like "migrate check: $1" "$report" "$2"; }

check_rules() {
	check node1
	sees "finds kube-proxy and its file" "kube-proxy: process $proxy_pid, configured by $T_DIR/kube-proxy.conf"
	sees "asks its mode" 'mode: nftables, as http://127.0.0.1:10249/proxyMode says'
	sees "finds its table" 'rules: nftables: table ip kube-proxy, 4 chains'
	sees "in both families" 'rules: nftables: table ip6 kube-proxy, 4 chains'
	sees "reads its file" "$T_DIR/kube-proxy.conf: svcbpf run --config takes it"
	sees "... and names what means nothing here" '  clusterCIDR: .*--uplinks'
	sees "... and what is different" '~ nftables.masqueradeAll: true: '
	sees "port 10256 is kube-proxy's" 'port 10256: kube-proxy.s; svcbpf tries every 5 s'
	sees "names each Service that is different" '~ default/near: externalTrafficPolicy Cluster'
	sees "says what to do first" 'start svcbpf run beside kube-proxy'
	t_is "migrate check: nothing stands in the way" $status 0
	check node2
	sees "the other node has no kube-proxy" 'rules: nothing of kube-proxy is in the kernel'
	t_ok "... and no process of it" [ "${report/process $proxy_pid/}" = "$report" ]
}

check_iptables() {
	local iptables
	for iptables in iptables-nft iptables-legacy; do
		n_on node2 $iptables -t nat -N KUBE-SERVICES 2>/dev/null || {
			t_skip "migrate check: $iptables" "this kernel has none"
			continue
		}
		n_on node2 $iptables -t nat -A PREROUTING -j KUBE-SERVICES
		n_on node2 $iptables -P FORWARD DROP
		check node2
		n_on node2 $iptables -P FORWARD ACCEPT
		n_on node2 $iptables -t nat -F
		n_on node2 $iptables -t nat -X
		case $iptables in
		iptables-nft) sees "finds chains of $iptables" 'iptables \(nf_tables\): chain KUBE-SERVICES, IPv4' ;;
		*) sees "finds chains of $iptables" 'iptables-legacy: chain KUBE-SERVICES, IPv4' ;;
		esac
		sees "... and a forward chain that drops" '~ forward policy: IPv4: '
	done
	check node2
	sees "and nothing when they are gone" 'nothing of kube-proxy is in the kernel'
}

check_in_the_way() {
	local exclusive=$T_DIR/bpf/exclusive
	n_on node2 bash -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
	check node2
	sees "forwarding that is off is in the way" '! net.ipv4.ip_forward: off'
	t_is "... and the status says so" $status 1
	n_on node2 bash -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	check node2 -o json
	t_is "for programs too" "$(t_json "d['ready'], d['mode'], d['svcbpfRunning'], d['processes']" <<<"$report")" \
		"True None False []"
	mkdir "$exclusive"
	status=0
	report=$(n_on node2 setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all -- \
		"$SVCBPF" migrate check --pin-dir "$exclusive" 2>&1) || status=$?
	sees "without root it says what it could not see" '\? nftables: needs root, or CAP_NET_ADMIN'
	sees "... and that Services were not looked at" '\? Services: give --kubeconfig FILE or --manifests PATH'
}

# ------------------------------------------------------------------ what the kernel does

kernel_facts() {
	both proxy_rules
	open_one
	t_is "a connection through kube-proxy's rules" "$(ask_one)" pod21
	both proxy_delete
	t_like "it is lost with the last rules about connections" "$(ask_one)" '^broken'
	close_one
	both proxy_rules
	keep
	open_one
	ask_one >/dev/null
	both proxy_delete
	t_is "it goes on when a nat chain and a rule about connections are kept" "$(ask_one)" pod21
	close_one
	unkeep
}

# ------------------------------------------------------------------ the order

there() {
	# shellcheck disable=SC2016 # for the inner shell
	t_ask old_udp bash -c 'echo 0 >"$0" && exec nsenter --net=/run/netns/pod12 -- "$@"' \
		"$T_CGROUP/node1/cgroup.procs" "$T_TOOLS/udpask" -i 10.96.0.10:80
	t_like "a UDP socket of a pod, connected through kube-proxy" "$(t_round old_udp)" '^pod11 '
	begin_traffic
	n_start node1
	t_ok "svcbpf beside kube-proxy: status" n_svcbpf node1 status
	t_ok "svcbpf beside kube-proxy: verify" n_svcbpf node1 verify --manifests "$T_MANIFESTS" --node-name node1
	check node1
	sees "its rules are to be removed, what is open being kept" '  - keep what is open .* nft .table inet keep-open'
	t_ok "migrate check: svcbpf need not be started any more" [ "${report/start svcbpf run/}" = "$report" ]
	sees "kube-proxy is to be stopped next" '  - stop kube-proxy on this node'
	proxy_stop
	keep
	both proxy_delete
	check node1
	sees "the table that keeps them is to go last" 'when what was open before has ended: nft delete table inet keep-open'
	end_traffic "to svcbpf"
	unkeep
	t_like "that UDP socket goes on when nothing is left of kube-proxy" "$(t_round old_udp)" '^pod11 '
	check node1
	sees "all is done" 'nothing: svcbpf runs, and nothing is left of kube-proxy'
}

back() {
	mkdir "$T_DIR/none"
	begin_traffic
	proxy_start
	both proxy_rules
	n_stop node1
	t_ok "the Services are taken out of the datapath" n_on node1 "$SVCBPF" run --once \
		--manifests "$T_DIR/none" --node-name node1 --cgroup "$T_CGROUP/node1" --pin-dir "$T_DIR/bpf/node1" \
		--healthz-bind-address= --metrics-bind-address=
	t_is "no frontend is left" "$(n_svcbpf node1 dump -o json | t_json "d['frontends']")" "[]"
	t_like "a new connection is kube-proxy's: its client is the node" \
		"$(n_http client "http://${n_ip4[node1]}:30080/")" "^pod11 10.244.1.1\$"
	t_ok "flows that are open are still there" \
		[ "$(n_svcbpf node1 dump conntrack --state established -o json | t_json "len(d['flows'])")" -ge "$n_outside" ]
	end_traffic "back to kube-proxy"
	t_ok "cleanup, when they have ended" n_svcbpf node1 cleanup
	t_like "kube-proxy serves" "$(n_http client "http://${n_ip4[node1]}:30081/")" '^pod21 '
}

n_up
tool=$T_ROOT/tests/net/steady.py
vip_near=10.96.0.10,fd00:96::10 vip_far=10.96.0.11,fd00:96::11
for name in "${n_pods[@]}"; do n_serve "$name"; done
t_service near ip=$vip_near nodeport=30080 proto=TCP,UDP backends="$(n_backends pod11)"
t_service far ip=$vip_far nodeport=30081 proto=TCP,UDP backends="$(n_backends pod21)"
check_iptables
check_in_the_way
kernel_facts
proxy_start
both proxy_rules
check_rules
there
back
t_done
