#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kubernetes' own end-to-end tests of Services, those of upstream.txt, with svcbpf as the only Service
# implementation: one fact for each, with its seconds.
#
#   CLUSTER_SHORT=1  only the short ones, 33 in about 2 minutes; all 64 take about 10
#   UPSTREAM=TEXT    only those whose name contains the text
#   C_DATAPLANE=nftables or iptables: the same with kube-proxy, to compare
#
# A test that is not in the list, or one of the list that did not run, is a failing fact.
set -euo pipefail
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

# e2e.test leaves files there.
export TMPDIR=$T_DIR

printf '%s: svcbpf.test\n' promoterE2eRegistry gcRegistry >"$T_DIR/registries"

# list KIND - names, one a line, with Kubernetes' labels.
list() { sed -n "s/^$1 //p" "$C_HERE/upstream.txt" | grep -F -- "${UPSTREAM:-}" || :; }

# What e2e.test has of them, as upstream.txt says.
all_there_are() {
	"$E_BIN/e2e.test" --list-tests 2>/dev/null | sed -n 's/^ *[^ ]*: \(\[sig-network\] .*[^ ]\) *$/\1/p' |
		grep -E '^\[sig-network\] (Services|Traffic Distribution|EndpointSlice |Conntrack)' |
		grep -Ev '\[Disruptive\]|\[Serial\]|SCTP|Type LoadBalancer|invalid conntrack state' | sort
}

# run_upstream REPORT - those that standard input names, up to three side by side.
run_upstream() {
	local line options=()
	while read -r line; do
		options+=("--focus=$line")
	done < <(sed 's/[][().:]/\\&/g; s/$/ *$/')
	KUBE_TEST_REPO_LIST=$T_DIR/registries "$E_BIN/ginkgo" run --procs 3 --timeout 40m --no-color --silence-skips \
		--json-report "$1" --output-dir "$T_DIR" "${options[@]}" "$E_BIN/e2e.test" -- --provider skeleton \
		--kubeconfig "$E_DIR/admin.kubeconfig" --kubectl-path "$E_BIN/kubectl" --num-nodes "${#c_nodes[@]}" \
		--disable-log-dump --dump-logs-on-failure=false </dev/null >"$T_DIR/cluster/$1.log" 2>&1 || :
}

# facts REPORT NAME... - a TAP line for each of the tests, from ginkgo's report.
facts() {
	python3 -IS - "$@" <<'PYTHON'
import json, sys

report, *expected = sys.argv[1:]
with open(report, encoding="utf-8") as file:
    specs = [s for suite in json.load(file) for s in suite["SpecReports"] or ()]
seen = {}
for spec in specs:
    kind = spec["LeafNodeType"]
    texts = (spec.get("ContainerHierarchyTexts") or []) + [spec["LeafNodeText"]]
    name = " ".join(t for t in texts if t) if kind == "It" else f"ginkgo's {kind}"
    if spec["State"] == "skipped" and name not in expected or kind != "It" and spec["State"] == "passed":
        continue
    seen[name] = spec

def tell(good, name, why=""):
    print(f"{'ok' if good else 'not ok'} 1 - {name}")
    for line in why.splitlines()[:40]:
        print(f"# {line}")

for name in expected + [n for n in seen if n not in expected]:
    spec = seen.get(name)
    if spec is None:
        tell(False, name, "it did not run")
        continue
    seconds = spec["RunTime"] / 1e9
    failure = spec.get("Failure") or {}
    why = [f"{spec['State']}: {failure.get('Message', '')}", failure.get("Location", {}).get("FileName", "")]
    is_good = spec["State"] == "passed" and name in expected
    tell(is_good, f"{name} ({seconds:.0f} s)", "" if is_good else "\n".join(why))
PYTHON
}

# upstream KIND... - run them and take over what they say.
upstream() {
	local kind names=() report=upstream-$1.json
	for kind; do
		mapfile -t -O ${#names[@]} names < <(list "$kind")
	done
	[ ${#names[@]} -gt 0 ] || return 0
	printf '%s\n' "${names[@]}" | run_upstream "$report"
	[ -s "$T_DIR/$report" ] || t_bail "ginkgo writes a report" "$(tail -n 20 "$T_DIR/cluster/$report.log")"
	t_tap facts "$T_DIR/$report" "${names[@]}"
	n_run=$((n_run + ${#names[@]}))
}

# more_nodes KIND NODE... - when there are tests that need them.
more_nodes() {
	local kind=$1 node
	shift
	[ -n "$(list "$kind")" ] || return 0
	for node; do
		c_add "$node"
	done
}

n_run=0
t_is "upstream.txt has all that e2e.test has" \
	"$(diff <(sed -n 's/^[a-z][a-z]* //p' "$C_HERE/upstream.txt" | sort) <(all_there_are))" ""
c_up n1 n2
if [ "${CLUSTER_SHORT:-0}" = 1 ]; then
	upstream short
else
	upstream short long
	more_nodes three n3
	upstream three
	more_nodes six n4 n5 n6
	upstream six
fi
t_ok "there were tests to run ($n_run)" [ $n_run -gt 0 ]
t_done
