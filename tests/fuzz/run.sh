#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run every fuzzer for a while: `make fuzz` builds them and calls this.
#
#   tests/fuzz/run.sh SECONDS [NAME...]     names as in fuzz_NAME.c; default: all
#
# Each begins with seeds from tests/fixtures and the names that occur in the parsers. What it finds
# is kept in $O/fuzz-corpus, and used again the next time. One line for each; after a crash, a leak,
# an assertion or an input that takes longer than 10 s its report, the input's file, and exit 1.
#
# Environment: O build folder.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME...]}
shift
programs=$(realpath "${O:-build}/tests/fuzz")
corpus=$(realpath -m "${O:-build}/fuzz-corpus")
fixtures=$PWD/tests/fixtures
scratch=$(mktemp -d /dev/shm/svcbpf-fuzz.XXXXXX)
n_failed=0

trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

# The bodies of recorded HTTP answers, each after the four bytes that fuzz_stream wants.
seed_stream() {
	local answer

	for answer in "$fixtures"/streams/*.h1; do
		awk 'BEGIN { RS = "\r\n"; ORS = ""; print "~@0\"" }
			is_body { if (!is_chunked || n++ % 2) print; next }
			/^Transfer-Encoding: chunked/ { is_chunked = 1 }
			$0 == "" { is_body = 1 }' "$answer" >"$1/$(basename "$answer")"
	done
}

seed_snapshot() {
	local manifest

	for manifest in "$fixtures"/manifests/*.yaml; do
		"$programs/seed_snapshot" "$manifest" "$scratch"
		mv "$scratch/snapshot" "$1/$(basename "$manifest")"
	done
}

seed_manifests() { cp "$fixtures"/manifests/*.yaml "$1"; }
seed_kubeconfig() { cp "$fixtures"/fuzz/kubeconfig/* "$1"; }
seed_config() { cp "$fixtures"/fuzz/config/* "$1"; }
seed_text() { cp "$fixtures"/fuzz/text/* "$1"; }

# What libFuzzer says at the end, and in its last line of progress.
summary() {
	sed -nE 's/.*cov: ([0-9]+) ft: ([0-9]+) corp: ([0-9]+).*/cov=\1 features=\2 corpus=\3/p
		s/^stat::number_of_executed_units: *([0-9]+)/runs=\1/p
		s/^stat::average_exec_per_sec: *([0-9]+)/per_second=\1/p
		s/^stat::peak_rss_mb: *([0-9]+)/rss_mb=\1/p' "$1" |
		awk -F= '!NF { next } /^cov/ { progress = $0; next } { rest = rest " " $0 }
			END { print progress rest }'
}

run() {
	local name=$1 log=$scratch/$1.log seeds=$scratch/seeds/$1 result=ok

	mkdir -p "$corpus/$name" "$seeds"
	"seed_$name" "$seeds"
	# in the scratch folder: fuzz_snapshot writes a file where it stands
	if ! (cd "$scratch" && ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
		"$programs/fuzz_$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 \
		-dict="$scratch/names" -artifact_prefix="$corpus/$name." -print_final_stats=1 \
		-close_fd_mask=1 "$corpus/$name" "$seeds") >"$log" 2>&1; then
		result=FAILED
		n_failed=$((n_failed + 1))
		grep -vE '^#[0-9]+[[:space:]]+(NEW|REDUCE|RELOAD|pulse)' "$log" | tail -n 60
	fi
	printf '  %-7s fuzz_%-11s %s\n' "$result" "$name" "$(summary "$log")"
}

grep -ohE '"[A-Za-z0-9./=-]{2,48}"' user/source/*.c user/cmd/config_*.c user/cmd/option_*.c |
	sort -u >"$scratch/names"
if [ $# = 0 ]; then
	for program in tests/fuzz/fuzz_*.c; do
		name=${program##*/fuzz_}
		set -- "$@" "${name%.c}"
	done
fi
for name in "$@"; do
	run "$name"
done
[ $n_failed = 0 ]
