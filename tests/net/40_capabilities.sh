#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent gives up what it does not need, and runs where it was never given more than that.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
unset T_DEVICES # the flow table has a thread of its own

# Bits of /proc/PID/status.
net_admin=$((1 << 12)) sys_ptrace=$((1 << 19)) sys_admin=$((1 << 21))
perfmon=$((1 << 38)) bpf=$((1 << 39))
needed=$((net_admin | perfmon | bpf))
sweeper=$((needed | sys_admin | sys_ptrace))

# t_caps FIELD - "NAME=VALUE" of each thread of the agent, in hexadecimal, sorted:
#
#   svcbpf          the main thread
#   svcbpf-flows    walks over the flow table: BPF maps only
#   svcbpf-grace    waits until no program uses what was deleted: bpf(2) only
#   svcbpf-sweeper  ends UDP sockets, in other network namespaces too
t_caps() {
	local task
	for task in "/proc/$t_agent_pid/task"/*; do
		sed -nE "s/^$1:\s*0*([0-9a-f]+)$/$(cat "$task/comm")=\1/p" "$task/status"
	done | LC_ALL=C sort -t= -k1,1
}
# expected MAIN FLOWS GRACE SWEEPER
expected() { printf 'svcbpf=%x\nsvcbpf-flows=%x\nsvcbpf-grace=%x\nsvcbpf-sweeper=%x\n' "$@"; }
is_only() { # FIELD VALUE: all threads have it
	[ "$(t_caps "$1" | sed 's/.*=//' | sort -u)" = "$2" ]
}

t_addresses 10.244.0.1 10.244.0.2
t_answer 10.244.0.1:8080 10.244.0.2:8080 10.244.0.1:53 10.244.0.2:53
t_pod pod1 10.244.1.2 fd00:244:1::2
web() { t_service web ip=10.96.0.10 nodeport=30080 "$@"; }
dns() { t_service dns ip=10.96.0.53 port=53 target=53 proto=UDP "$@"; }
client() { # NAME [COMMAND...] - a connected UDP socket to the Service dns
	local name=$1
	shift
	t_ask "$name" "$@" "$T_TOOLS/udpvips" -i -C 10.96.0.53:53
}
error() { t_round "$1" | t_json 'd["error"] or d["received"]'; }
is_aborted() { [ "$(error "$1")" = ECONNABORTED ]; }

# The facts that hold with many capabilities and with few.
works() { # HOW
	t_is "$1: a connect reaches the backend" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
	t_is "$1: from a pod too" "$(t_name_in_pod pod1 10.96.0.10:80)" 10.244.0.1:8080
	web backends=10.244.0.2
	t_sync
	t_is "$1: a changed Service is followed" "$(t_name 10.96.0.10:80)" 10.244.0.2:8080
	web backends=10.244.0.1
	kill -HUP "$t_agent_pid"
	t_sync
	t_is "$1: so is one after SIGHUP" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
	t_like "$1: the self-test passed" "$("$SVCBPF" status --pin-dir "$T_PINS" || :)" \
		'^self-test +passed'
}

# ------------------------------------------------------------------ given everything
web backends=10.244.0.1
dns backends=10.244.0.1
t_start_agent
t_is "the main thread keeps three capabilities, one thread what namespaces take, two CAP_BPF" \
	"$(t_caps CapEff)" "$(expected $needed $bpf $bpf $sweeper)"
t_is "none can be taken up again" "$(t_caps CapPrm)" "$(t_caps CapEff)"
for field in CapBnd CapInh CapAmb; do
	t_ok "$field is empty in all threads" is_only $field 0
done
t_ok "no thread can get more by executing something" is_only NoNewPrivs 1
works "given everything"

client node
client pod1 nsenter --net=/run/netns/pod1 --
t_is "a socket of the node talks" "$(error node)" 1
t_is "a socket of a pod talks" "$(error pod1)" 1
dns backends=10.244.0.2
t_sync
for socket in node pod1; do
	t_ok "$socket: ended when its backend has left" t_wait 10 is_aborted $socket
done
t_stop_agent
t_is "the agent ends well" "$t_agent_status" 0

# ------------------------------------------------------------------ given what is needed
binary=$SVCBPF
cat >"$T_DIR/confined" <<END
#!/bin/sh
exec setpriv --bounding-set=-all,+bpf,+net_admin,+perfmon --inh-caps=-all -- "$binary" "\$@"
END
chmod +x "$T_DIR/confined"
SVCBPF=$T_DIR/confined t_start_agent
t_is "it was given three capabilities" "$(t_caps CapEff)" "$(expected $needed $bpf $bpf $needed)"
t_like "and says what it cannot do" "$(cat "$T_DIR/agent.log")" \
	'without CAP_SYS_ADMIN: UDP sockets in other network namespaces are not ended'
works "given three"

client node2
client pod2 nsenter --net=/run/netns/pod1 --
t_is "a socket of the node talks" "$(error node2)" 1
t_is "a socket of a pod talks" "$(error pod2)" 1
dns backends=10.244.0.1
t_sync
t_ok "a socket of the node is ended when its backend has left" t_wait 10 is_aborted node2
t_is "one of a pod goes on" "$(error pod2)" 1
t_stop_agent
t_is "the agent ends well" "$t_agent_status" 0
t_ok "cleanup needs no more" "$T_DIR/confined" cleanup --pin-dir "$T_PINS"

# ------------------------------------------------------------------ given less
without() { # CAPABILITIES - the agent's one line
	setpriv --bounding-set="-all,$1" --inh-caps=-all -- "$SVCBPF" run --once --manifests \
		"$T_MANIFESTS" --cgroup "$T_CGROUP" --pin-dir "$T_PINS" 2>&1 || echo "status $?"
}
said() { sed -E 's/^[^ ]+ error: //'; }
t_is "without CAP_BPF" "$(without +net_admin,+perfmon | said)" \
	"missing capability: CAP_BPF; run as root or grant it
status 1"
t_is "without CAP_NET_ADMIN" "$(without +bpf,+perfmon | said)" \
	"missing capability: CAP_NET_ADMIN; run as root or grant it
status 1"
t_is "without CAP_PERFMON" "$(without +bpf,+net_admin | said)" \
	"missing capability: CAP_PERFMON; run as root or grant it
status 1"
t_is "without any" "$(without +chown | said)" \
	"missing capability: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON; run as root or grant them
status 1"
t_ok "nothing is left behind" [ ! -e "$T_PINS" ]

# ------------------------------------------------------------------ given it under its old name
cat >"$T_DIR/confined" <<END
#!/bin/sh
exec setpriv --bounding-set=-all,+sys_admin,+net_admin --inh-caps=-all -- "$binary" "\$@"
END
SVCBPF=$T_DIR/confined t_start_agent
t_is "CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, and stays" \
	"$(t_caps CapEff)" \
	"$(expected $((sys_admin | net_admin)) $sys_admin $sys_admin $((sys_admin | net_admin)))"
works "given CAP_SYS_ADMIN and CAP_NET_ADMIN"
t_stop_agent
t_done
