#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bad input and limits: each is told in one clear line, and all that can go on does.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

t_addresses 10.244.0.1
t_answer 10.244.0.1:8080
t_service web ip=10.96.0.10 backends=10.244.0.1

run_once() { timeout 60 "$SVCBPF" run --once --manifests "$T_MANIFESTS" --cgroup "$T_CGROUP" --pin-dir "$T_PINS" "$@"; }

# one_line FACT STATUS PATTERN COMMAND... - ends with the status, and the errors on standard error
# are one line like the pattern
one_line() {
	local fact=$1 expected=$2 pattern=$3 status=0 text
	shift 3
	text=$("$@" 2>&1 >/dev/null) || status=$?
	t_is "$fact: exit status" $status "$expected"
	t_is "$fact: one line" "$(wc -l <<<"$text")" 1
	t_like "$fact: it says what to do" "$text" "$pattern"
}

# ------------------------------------------------------------------ usage
one_line "unknown option" 2 'no-such' "$SVCBPF" run --no-such
one_line "unknown command" 2 'frobnicate' "$SVCBPF" frobnicate
one_line "a kubeconfig that is not there" 1 '/nonexistent.*No such file' \
	"$SVCBPF" run --kubeconfig /nonexistent --cgroup "$T_CGROUP" --pin-dir "$T_PINS"
one_line "two sources" 2 'kubeconfig.*two sources' \
	"$SVCBPF" run --kubeconfig /nonexistent --manifests "$T_MANIFESTS"
one_line "no such folder of manifests" 1 '/nonexistent.*No such file' \
	"$SVCBPF" run --once --manifests /nonexistent --cgroup "$T_CGROUP" --pin-dir "$T_PINS"

# ------------------------------------------------------------------ the surroundings
one_line "a cgroup that is none" 1 '/proc.*cgroup' \
	"$SVCBPF" run --once --manifests "$T_MANIFESTS" --cgroup /proc --pin-dir "$T_PINS"
one_line "a pin dir that is on no bpffs" 1 'mount -t bpf' \
	"$SVCBPF" run --once --manifests "$T_MANIFESTS" --cgroup "$T_CGROUP" --pin-dir "$T_DIR/pins"
for capability in bpf net_admin perfmon; do
	one_line "without CAP_${capability^^}" 1 "missing capability: CAP_${capability^^};" \
		setpriv --bounding-set="-sys_admin,-$capability" --inh-caps="-sys_admin,-$capability" \
		"$SVCBPF" run --once --manifests "$T_MANIFESTS" --cgroup "$T_CGROUP" --pin-dir "$T_PINS"
done
t_ok "failed starts leave nothing behind" [ ! -e "$T_PINS" ]

t_start_agent
one_line "a second agent on the same pin dir" 1 'another|already|running' run_once
t_is "the first goes on" "$(t_name 10.96.0.10:80)" 10.244.0.1:8080
second_agent() {
	mkdir "$T_CGROUP/two" &&
		"$SVCBPF" run --once --manifests "$T_MANIFESTS" --cgroup "$T_CGROUP/two" --pin-dir "$T_DIR/bpf/two" &&
		"$SVCBPF" cleanup --pin-dir "$T_DIR/bpf/two" && rmdir "$T_CGROUP/two"
}
t_ok "a second agent with a pin dir of its own is fine" second_agent

# ------------------------------------------------------------------ bad manifests
cat >"$T_MANIFESTS/bad.yaml" <<'END'
apiVersion: v1
kind: Service
metadata: {name: bad, namespace: default}
spec:
  clusterIP: 10.96.0.66
  ports:
  - {name: http, port: 70000}
---
apiVersion: v1
kind: Service
metadata: {name: good, namespace: default}
spec: {clusterIP: 10.96.0.67, ports: [{name: http, port: 80}]}
END
has() { t_dump -o json | grep -q "$1"; }
t_ok "the good object of a file with a bad one is served" t_wait 10 has 10.96.0.67
t_like "the bad one is told with file, line and reason" "$(grep bad.yaml "$T_DIR/agent.log" || :)" 'bad.yaml:7: .*port.*70000'
t_is "... once" "$(grep -c 'bad.yaml:7' "$T_DIR/agent.log" || :)" 1
printf 'spec: [\n' >"$T_MANIFESTS/worse.yaml"
told() { grep -q "$1" "$T_DIR/agent.log"; }
t_ok "a file that is no YAML is told with its line" t_wait 10 told 'worse.yaml:[12]'
rm "$T_MANIFESTS/bad.yaml" "$T_MANIFESTS/worse.yaml"
t_sync

# ------------------------------------------------------------------ one VIP, two Services
t_service younger ip=10.96.0.30 backends=10.244.0.1 created=2025-02-01T00:00:00Z
t_sync
t_service older ip=10.96.0.30 created=2024-02-01T00:00:00Z
t_sync
t_is "a VIP of two Services belongs to the older" "$(t_name 10.96.0.30:80)" "$(t_refused)"
t_like "the other is reported" "$(grep younger "$T_DIR/agent.log" || :)" 'default/younger.*10\.96\.0\.30.*default/older'
t_like "... and in status" "$("$SVCBPF" status --pin-dir "$T_PINS")" 'default/younger'
rm "$T_MANIFESTS/older.yaml"
t_sync
t_is "it gets the VIP when the older has gone" "$(t_name 10.96.0.30:80)" 10.244.0.1:8080
t_stop_agent
"$SVCBPF" cleanup --pin-dir "$T_PINS" >/dev/null

# ------------------------------------------------------------------ full maps
: >"$T_DIR/agent.log"
for i in $(seq 40); do t_service "many$i" ip="10.96.2.$i" backends=10.244.0.1; done
t_start_agent --max-services 24 --max-backends 1024
served=$(for i in $(seq 40); do t_name "10.96.2.$i:80"; done | grep -c 10.244.0.1:8080 || :)
t_ok "too many Services: those that fit are served ($served of 42)" [ "$served" -ge 10 -a "$served" -lt 40 ]
t_like "the others are named" "$(cat "$T_DIR/agent.log")" 'default/many[0-9]+.*--max-services'
t_like "status names them too" "$("$SVCBPF" status --pin-dir "$T_PINS")" 'default/many'
for i in $(seq 40); do rm "$T_MANIFESTS/many$i.yaml"; done
fits() { [ "$(t_name 10.96.0.10:80)" = 10.244.0.1:8080 ] && t_is_synced; }
t_ok "all fits again when there are fewer" t_wait 20 fits
t_stop_agent
"$SVCBPF" cleanup --pin-dir "$T_PINS" >/dev/null

: >"$T_DIR/agent.log"
t_start_agent --max-services 64 --max-backends 64
t_service big ip=10.96.0.40 backends="10.244.0.1,$(printf '10.244.7.%d,' $(seq 100) | sed 's/,$//')"
t_service small ip=10.96.0.41 backends=10.244.0.1
small() { [ "$(t_name 10.96.0.41:80)" = 10.244.0.1:8080 ]; }
t_ok "a Service with too many backends does not keep others out" t_wait 10 small
t_like "it is named, with the option to change" "$(cat "$T_DIR/agent.log")" 'default/big.*--max-backends'
t_stop_agent
"$SVCBPF" cleanup --pin-dir "$T_PINS" >/dev/null
rm "$T_MANIFESTS/big.yaml"

# ------------------------------------------------------------------ a foreign exclusive program
if t_ok_output=$("$T_TOOLS/foreign" "$T_CGROUP" 2>&1); then
	attached=$(t_attached)
	one_line "a foreign exclusive program on the cgroup" 1 'program|exclusive' run_once
	t_is "... which leaves nothing half attached" "$(t_attached)" "$attached"
else
	t_skip "a foreign exclusive program on the cgroup" "$t_ok_output"
fi
t_done
