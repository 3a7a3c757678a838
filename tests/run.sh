#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run test suites and count their facts.
#
#   tests/run.sh SUITE...     suites: unit bpf net e2e cluster
#   tests/run.sh FILE...      single test programs or scripts
#
# unit and bpf: every program of $O/tests/{unit/*,bpf}/test_* (criterion). net, e2e: their [0-9]*.sh;
# cluster: those of tests/e2e/cluster.
# All print TAP, which is counted here: one line for each program, failing facts in full, and as the
# very last line "N passed, N failed, N skipped". Exit status 1 when anything failed.
#
# A program that crashes, runs longer than TIMEOUT_S, tells no fact or another number of facts than
# it announced has failed. STRICT=1: a skipped fact has failed too. SAN=1: a program that leaves a
# sanitizer report has failed, leaks included.
#
# Environment: O build folder (default: build), SAN, STRICT, TIMEOUT_S (default 300), V=1 shows the facts
# that hold too.
set -euo pipefail
cd "$(dirname "$0")/.."

export O=${O:-build}
strict=${STRICT:-0}
sanitized=${SAN:-0}
timeout_s=${TIMEOUT_S:-300}
scratch=$(mktemp -d)
n_passed=0 n_failed=0 n_skipped=0

trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

usage() {
	echo "run.sh: usage: tests/run.sh unit|bpf|net|e2e|cluster|FILE..." >&2
	exit 2
}

# Programs of a suite, one a line. Each must have at least one.
suite_programs() {
	case $1 in
	unit) find "$O/tests/unit" -mindepth 2 -maxdepth 2 -name 'test_*' -type f -executable | sort ;;
	bpf) find "$O/tests/bpf" -maxdepth 1 -name 'test_*' -type f -executable | sort ;;
	cluster) find tests/e2e/cluster -maxdepth 1 -name '[0-9]*.sh' | sort ;;
	net | e2e) find "tests/$1" -maxdepth 1 -name '[0-9]*.sh' | sort ;;
	*) [ -x "$1" ] || usage && echo "$1" ;;
	esac
}

# run_program PROGRAM TAP LOG - its exit status; 124 or 137 when it had to be ended. Without input: what
# reads it would take the list of programs, or wait.
run_program() {
	local status=0
	case $1 in
	*.sh) timeout -k 10 "$timeout_s" "$1" </dev/null >"$2" 2>"$3" || status=$? ;;
	*)
		ASAN_OPTIONS=log_path=$scratch/san:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:log_path=$scratch/san \
			timeout -k 10 "$timeout_s" "$1" --tap="$2" </dev/null >"$3" 2>&1 || status=$?
		;;
	esac
	return $status
}

# count TAP - "PASSED FAILED SKIPPED ANNOUNCED"; ANNOUNCED is -1 without a plan line.
count() {
	awk '
		/^ok .*# SKIP/ { skipped++; next }
		/^ok / { passed++ }
		/^not ok / { failed++ }
		/^1\.\.[0-9]+/ { plan = substr($1, 4); planned = 1; whole = /# SKIP/ }
		END { print passed + 0, failed + 0, skipped + (whole && !plan), planned ? plan : -1, whole + 0 }
	' "$1"
}

# Failing facts with what is told below them, up to the next fact.
show_failures() {
	awk '/^not ok / { show = 1 } /^ok / || /^1\.\./ { show = 0 } show { print "    " $0 }' "$1"
}

show_skips() { sed -n 's/^ok \(.*# SKIP.*\)/    skipped \1/p; s/^1\.\.0 \(# SKIP.*\)/    skipped \1/p' "$1"; }

# Why the program has failed besides its facts; nothing when it has not.
trouble() { # STATUS PASSED FAILED SKIPPED ANNOUNCED IS-WHOLE-SKIP
	local n=$(($2 + $3 + $4))
	case $1 in
	0 | 1) ;;
	124 | 137) echo "timed out after $timeout_s s" ;;
	*) echo "ended with status $1" ;;
	esac
	[ "$1" != 1 ] || [ "$3" -gt 0 ] || echo "ended with status 1 although no fact has failed"
	[ "$n" -gt 0 ] || echo "told no fact"
	if [ "$5" -lt 0 ]; then
		echo "did not say how many facts there are"
	elif [ "$6" = 0 ] && [ "$5" != "$n" ]; then
		echo "announced $5 facts and told $n"
	fi
	if [ "$sanitized" = 1 ] && compgen -G "$scratch/san*" >/dev/null; then
		echo "left sanitizer reports"
		cat "$scratch"/san*
	fi
}

run_one() {
	local program=$1 tap=$scratch/tap log=$scratch/log status=0 passed failed skipped announced whole why word=ok
	rm -f "$scratch"/*
	: >"$tap"
	run_program "$program" "$tap" "$log" || status=$?
	read -r passed failed skipped announced whole < <(count "$tap")
	why=$(trouble $status "$passed" "$failed" "$skipped" "$announced" "$whole")
	if [ "$strict" = 1 ] && [ "$skipped" -gt 0 ]; then
		why+=${why:+$'\n'}"skipped $skipped (STRICT=1)"
		failed=$((failed + skipped)) skipped=0
	fi
	[ -z "$why" ] || [ "$failed" -gt 0 ] || failed=1
	[ "$failed" = 0 ] || word=FAIL
	printf '%-4s %-48s %4d passed, %d failed, %d skipped\n' $word "${program#"$O"/}" "$passed" "$failed" "$skipped"
	[ "${V:-0}" != 1 ] || sed -n '/# SKIP/d; s/^ok [0-9]* - /    ok /p' "$tap"
	show_failures "$tap"
	show_skips "$tap"
	if [ -n "$why" ]; then
		echo "    ${why//$'\n'/$'\n'    }"
		tail -n 30 "$log" | sed 's/^/    | /'
	fi
	n_passed=$((n_passed + passed)) n_failed=$((n_failed + failed)) n_skipped=$((n_skipped + skipped))
}

[ $# -gt 0 ] || usage
for suite; do
	programs=$(suite_programs "$suite") || usage
	[ -n "$programs" ] || { echo "FAIL $suite: no tests found" && n_failed=$((n_failed + 1)); }
	while read -ru 3 program; do
		[ -z "$program" ] || run_one "$program" 3<&-
	done 3<<<"$programs"
done
echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
[ "$n_failed" = 0 ]
