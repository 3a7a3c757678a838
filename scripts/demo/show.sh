#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The inner half of scripts/demo.sh: process 1 of the private node. Not to be called directly.
# It has $SVCBPF, the binary, and $DEMO_CGROUP, the cgroup of the node's applications.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
dir=/run/demo
pins=$dir/bpf/svcbpf
manifests=$dir/manifests
agent_pid='' bold='' plain='' n_steps=0
[ ! -t 1 ] || bold=$'\e[1m' plain=$'\e[0m'
[ "$$" = 1 ] || {
	echo "show.sh: run scripts/demo.sh" >&2
	exit 1
}

# --- telling and checking

say() {
	printf '   %s\n' "$@"
}

step() { # TITLE LINE...
	n_steps=$((n_steps + 1))
	printf '\n%s%d. %s%s\n' "$bold" $n_steps "$1" "$plain"
	shift
	say "$@"
}

fail() { # WHAT [OUTPUT]
	printf '\ndemo: FAILED in step %d: %s\n' $n_steps "$1" >&2
	[ -z "${2:-}" ] || printf '  it said: %s\n' "$2" >&2
	[ ! -s $dir/agent.log ] || tail -n 20 $dir/agent.log | sed 's/^/  agent: /' >&2
	exit 1
}

show_command() {
	printf '   $ %s\n' "$*"
}

show_output() {
	local line

	while IFS= read -r line; do
		printf '     %s\n' "$line"
	done <<<"$1"
}

# client COMMAND... - run it as an application: in the cgroup that the agent works on.
client() (
	echo 0 >"$DEMO_CGROUP/cgroup.procs"
	exec "$@"
)

# fetch URL [TIMES] - what curl gets there, one line a time.
fetch() {
	local i

	for ((i = 0; i < ${2:-1}; i++)); do
		client curl -sS --noproxy '*' --max-time 5 "$1" 2>&1 || :
	done
}

# expect PATTERN OUTPUT WHAT - every line of the output is like that.
expect() {
	! grep -Evq -- "$1" <<<"$2" || fail "$3" "$2"
}

n_different() {
	sort -u <<<"$1" | wc -l
}

wait_until() { # SECONDS WHAT-IF-NOT COMMAND...
	local deadline=$((SECONDS + $1)) what=$2

	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -le $deadline ] || fail "$what"
		sleep 0.05
	done
}

# --- the private node

# pod NAME PORTS ADDRESS... - a network namespace behind a veth pair, with a server that says NAME.
# Its way to the node, and nowhere else, is 169.254.1.1 or fd00:169::1, as with many CNI plugins.
pod() {
	local name=$1 ports=$2 address

	shift 2
	ip netns add "$name"
	ip link add "to-$name" type veth peer name eth0 netns "$name"
	ip link set "to-$name" up
	ip -n "$name" link set lo up
	ip -n "$name" link set eth0 up
	ip addr add 169.254.1.1/32 dev "to-$name"
	ip addr add fd00:169::1/128 dev "to-$name" nodad
	for address; do
		ip -n "$name" addr add "$address" dev eth0 nodad
		ip route add "$address" dev "to-$name"
	done
	ip -n "$name" route add 169.254.1.1 dev eth0
	ip -n "$name" route add 192.0.2.1 via 169.254.1.1
	ip -n "$name" route add fd00:169::1 dev eth0
	ip -n "$name" route add 2001:db8::1 via fd00:169::1
	ip netns exec "$name" python3 "$here/server.py" "$name" "$ports" "$@" >"$dir/$name.log" 2>&1 &
}

make_node() {
	local name

	mount -t tmpfs tmpfs /run
	mkdir -p /run/netns $dir/bpf $manifests "$DEMO_CGROUP"
	mount -t bpf bpf $dir/bpf
	ip link set lo up
	# As on every node; status would say so otherwise.
	echo 1 >/proc/sys/net/ipv4/ip_forward
	[ ! -e /proc/net/if_inet6 ] || echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	ip link add uplink type veth peer name nowhere
	ip link set nowhere up
	ip link set uplink up
	ip addr add 192.0.2.1 dev uplink
	ip addr add 2001:db8::1 dev uplink nodad
	pod pod-1 8080,80,443 10.244.0.11 fd00:10:244::11
	pod pod-2 8080,80,443 10.244.0.12 fd00:10:244::12
	pod pod-3 8080,80,443 10.244.0.13 fd00:10:244::13
	pod database 9376 192.0.2.10
	for name in pod-1 pod-2 pod-3 database; do
		wait_until 20 "the server of $name does not start: $(cat "$dir/$name.log")" \
			grep -q ready "$dir/$name.log"
	done
	cp "$here"/*.yaml $manifests/
}

start_agent() {
	: >$dir/ready
	"$SVCBPF" run --manifests $manifests --node-name demo-node --cgroup "$DEMO_CGROUP" \
		--pin-dir $pins --ready-fd 9 9>$dir/ready >>$dir/agent.log 2>&1 &
	agent_pid=$!
	wait_until 20 "the agent did not get ready" grep -q READY $dir/ready
}

# edit FILE SED-SCRIPT - as an editor saves: write a new file, rename it over the old one.
edit() {
	sed "$2" "$manifests/$1" >"$dir/edited"
	mv "$dir/edited" "$manifests/$1"
}

is_in_kernel() { # TEXT [OPTIONS OF DUMP]
	local text=$1 dump

	shift
	dump=$("$SVCBPF" dump --pin-dir $pins "$@")
	[[ $dump == *"$text"* ]]
}

is_not_in_kernel() {
	! is_in_kernel "$@"
}

# --- the steps

show_start() {
	step "A node, and svcbpf on it" \
		"A private node, 192.0.2.1, has three pods. Each has web servers that answer who they are." \
		"A database stands outside the cluster, at 192.0.2.10. There is no kube-proxy, and no" \
		"iptables or nftables rule. svcbpf reads Services from a folder of manifests and attaches" \
		"its programs to the cgroup of the node's applications:"
	show_command "svcbpf run --manifests scripts/demo --node-name demo-node"
	start_agent
	say "It is ready. This is what the kernel holds now:"
	show_command "svcbpf dump"
	show_output "$("$SVCBPF" dump --pin-dir $pins)"
	! is_in_kernel default/headless || fail "a headless Service has no VIP, but is in the kernel"
	! is_in_kernel default/elsewhere || fail "an ExternalName Service is in the kernel"
}

show_cluster_ip() {
	local out

	step "A ClusterIP" \
		"10.96.0.10 belongs to no machine. When an application connects to it, the program at" \
		"connect() puts a pod's address in its place, at random; packets need no translation." \
		"Ten times:"
	show_command "curl http://10.96.0.10/"
	out=$(fetch http://10.96.0.10/ 10)
	show_output "$(sort <<<"$out" | uniq -c)"
	expect '^pod-[123], port 8080$' "$out" "a connection to the ClusterIP did not reach a pod"
	# all ten on one pod: once in 20,000 demos
	[ "$(n_different "$out")" -ge 2 ] || fail "ten connections all went to one pod" "$out"
	say "Two ports of another Service, 8080 -> 80 and 443 -> 443:"
	show_command "curl http://10.96.0.20:8080/ http://10.96.0.20:443/"
	out=$(fetch http://10.96.0.20:8080/ && fetch http://10.96.0.20:443/)
	show_output "$out"
	[[ $out == "pod-"[12]", port 80"$'\n'"pod-"[12]", port 443" ]] || fail "the two ports are wrong" "$out"
}

show_node_port() {
	local out url

	step "A NodePort, and an external IP" \
		"Port 30123 answers on every address of the node, on loopback too; 198.51.100.7 is the" \
		"Service's external IP."
	for url in http://192.0.2.1:30123/ http://127.0.0.1:30123/ http://198.51.100.7/; do
		show_command "curl $url"
		out=$(fetch $url)
		show_output "$out"
		expect '^pod-[123], port 8080$' "$out" "no pod answered at $url"
	done
}

show_ipv6() {
	local out url

	step "The same over IPv6" "The Service has an IPv6 address too, and so have the node and the pods."
	for url in 'http://[fd00:96::10]/' 'http://[2001:db8::1]:30123/' 'http://[::1]:30123/'; do
		show_command "curl '$url'"
		out=$(fetch "$url")
		show_output "$out"
		expect '^pod-[123], port 8080$' "$out" "no pod answered at $url"
	done
}

show_affinity() {
	local out

	step "Session affinity" \
		"The Service 'sticky' asks for ClientIP affinity: a client stays with the pod it got first."
	show_command "for i in 1 2 3 4 5; do curl http://10.96.0.30/; done"
	out=$(fetch http://10.96.0.30/ 5)
	show_output "$out"
	expect '^pod-[123], port 8080$' "$out" "no pod answered for the sticky Service"
	[ "$(n_different "$out")" = 1 ] || fail "the client changed its pod" "$out"
}

show_database() {
	local out

	step "A Service without selector" \
		"Its Endpoints were written by hand and lead to the database outside the cluster."
	show_command "curl http://10.96.0.40/"
	out=$(fetch http://10.96.0.40/)
	show_output "$out"
	expect '^database, port 9376$' "$out" "the database did not answer"
}

show_peer_name() {
	local out
	local program='import socket; print(socket.create_connection(("10.96.0.10", 80)).getpeername())'

	step "What the application sees" \
		"The connection goes to a pod, but the application is shown the address that it dialled:"
	show_command "python3 -c '$program'"
	out=$(client python3 -c "$program" 2>&1) || :
	show_output "$out"
	expect "^\('10\.96\.0\.10', 80\)$" "$out" "getpeername() does not show the ClusterIP"
}

show_backend_removed() {
	local out

	step "A backend goes away" \
		"pod-3 leaves the EndpointSlice in web.yaml. svcbpf sees the file change, and no new" \
		"connection goes there any more; what is open stays open. Thirty connections before:"
	out=$(fetch http://10.96.0.10/ 30)
	show_output "$(sort <<<"$out" | uniq -c)"
	# without pod-3 by chance: once in 190,000 demos
	[ "$(n_different "$out")" = 3 ] || fail "not all three pods answered" "$out"
	show_command "sed -i /10.244.0.13/d web.yaml"
	edit web.yaml /10.244.0.13/d
	wait_until 10 "the removed backend is still in the kernel" is_not_in_kernel \
		10.244.0.13:8080 --service default/web
	say "Thirty after:"
	out=$(fetch http://10.96.0.10/ 30)
	show_output "$(sort <<<"$out" | uniq -c)"
	expect '^pod-[12], port 8080$' "$out" "a connection went to the removed pod"
}

show_no_backend() {
	local out start took_ms

	step "No backend at all" \
		"All endpoints of the database go. Nobody waits for a time-out: connect() fails at once."
	edit database.yaml '/^subsets:/Q'
	wait_until 10 "the database's endpoint is still in the kernel" is_not_in_kernel 192.0.2.10:9376
	show_command "curl http://10.96.0.40/"
	start=${EPOCHREALTIME/[.,]/}
	out=$(fetch http://10.96.0.40/)
	took_ms=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	show_output "$out"
	say "(after $took_ms ms, the start of curl included)"
	expect '^curl: \(7\)' "$out" "curl was not refused"
	[ $took_ms -lt 2000 ] || fail "the refusal took $took_ms ms"
}

show_crash() {
	local out

	step "The agent crashes" \
		"kill -9, no warning. The programs and maps are pinned in the kernel and go on working:"
	show_command "kill -9 \$(pidof svcbpf)"
	kill -KILL "$agent_pid"
	wait "$agent_pid" 2>/dev/null || :
	show_command "curl http://10.96.0.10/          # ten times"
	out=$(fetch http://10.96.0.10/ 10)
	show_output "$(sort <<<"$out" | uniq -c)"
	expect '^pod-[12], port 8080$' "$out" "connections fail while the agent is dead"
	show_command "svcbpf status"
	out=$("$SVCBPF" status --pin-dir $pins 2>&1) && fail "status says that all is well" "$out"
	show_output "$out"
	say "A new agent adopts what it finds, and changes only what is different:"
	start_agent
	show_command "svcbpf status"
	out=$("$SVCBPF" status --pin-dir $pins 2>&1) || fail "status finds something wrong" "$out"
	show_output "$(head -n 3 <<<"$out")"
	say "  ..."
	out=$(fetch http://10.96.0.10/)
	expect '^pod-[12], port 8080$' "$out" "a connection failed after the restart"
}

show_cleanup() {
	local out

	step "Cleanup" \
		"The agent stops; Services go on working until svcbpf is told to take everything back."
	kill -TERM "$agent_pid"
	wait "$agent_pid" || fail "the agent did not end well (status $?)"
	expect '^pod-[12], port 8080$' "$(fetch http://10.96.0.10/)" "Services stopped with the agent"
	show_command "svcbpf cleanup"
	out=$("$SVCBPF" cleanup --pin-dir $pins 2>&1) || fail "cleanup failed" "$out"
	[ -z "$out" ] || show_output "$out"
	[ ! -e $pins ] || fail "cleanup left pins" "$(find $pins)"
	out=$(bpftool cgroup show "$DEMO_CGROUP" 2>&1 | grep -E '^[0-9]') &&
		fail "cleanup left programs on the cgroup" "$out"
	say "No pin is left, and no program on the cgroup."
}

export PATH=$PATH:/usr/sbin:/sbin
make_node
show_start
show_cluster_ip
show_node_port
[ ! -e /proc/net/if_inet6 ] || show_ipv6
show_affinity
show_database
show_peer_name
show_backend_removed
show_no_backend
show_crash
show_cleanup
printf '\n%sAll %d steps did what they said, in %d s.%s\n' "$bold" $n_steps $SECONDS "$plain"
