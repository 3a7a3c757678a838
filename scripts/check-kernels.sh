#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run the tests that need a kernel under Debian's other kernels, in qemu.
#
#   scripts/check-kernels.sh [--allow-missing] [SUITE…]     default: bullseye bookworm trixie sid
#
# Prints one line a kernel: "KERNEL 6.1.0-42-cloud-amd64: N passed, N failed, N skipped"; what failed
# or was skipped above it. Runs the unit tests of user/datapath, and the bpf and net tests with
# smaller loops (SVCBPF_SMALL=1, NET_SCALE=10): model, util, source and cmd do not ask the kernel.
# --allow-missing: a kernel that cannot be fetched is told, and is no failure.
# O: the build folder, built before (make check-kernels does). Exit: 1 when anything failed.
set -euo pipefail

self=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."
O=${O:-build}
allow_missing=0 is_one=0
while [[ ${1:-} == -* ]]; do
	case $1 in
	--allow-missing) allow_missing=1 ;;
	--one) is_one=1 ;; # this script's own: one suite, its report at the end
	*)
		echo "check-kernels.sh: unknown option '$1'; there is only --allow-missing" >&2
		exit 2
		;;
	esac
	shift
done
[ $# -gt 0 ] || set -- bullseye bookworm trixie sid
if [ "$(id -u)" != 0 ]; then
	echo "check-kernels.sh: the machine shares its root file system with the guests: run it as root" >&2
	exit 1
fi
logs=$O/check-kernels
mkdir -p "$logs"

# The command in the guest; the first line tells the kernel.
guest_tests() {
	local unit

	unit=$(compgen -G "$O/tests/unit/datapath/test_*" | grep -v '\.d$' | xargs)
	# shellcheck disable=SC2016 # the guest's bash expands it
	SVCBPF_VM_ENV='O SVCBPF_SMALL NET_SCALE TIMEOUT_S' SVCBPF_SMALL=1 NET_SCALE=10 TIMEOUT_S=600 O=$O \
		SVCBPF_VM_TIMEOUT=${SVCBPF_VM_TIMEOUT:-1800} \
		scripts/vm.sh "$1" bash -c 'echo "kernel $(uname -r)"; exec tests/run.sh $0 bpf net' "$unit"
}

run_suite() {
	local suite=$1 log=$logs/$1.log result=0 start=$SECONDS release summary

	if ! scripts/vm-kernel.sh "$suite" >"$log" 2>&1; then
		cat "$log" >&2
		echo "KERNEL $suite: not available"
		[ $allow_missing = 1 ]
		return
	fi
	guest_tests "$suite" >"$log" 2>&1 || result=$?
	release=$(sed -n 's/^kernel //p' "$log" | head -n 1)
	summary=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1) || :
	grep -E '^FAIL|^    ' "$log" || :
	if [ -z "$summary" ]; then
		tail -n 40 "$log"
		echo "KERNEL ${release:-$suite}: did not finish (status $result); log: $log"
		return 1
	fi
	[ $result = 0 ] || grep '^vm.sh:' "$log" || :
	echo "KERNEL $release: $summary ($((SECONDS - start)) s; log: $log)"
	return $result
}

if [ $is_one = 1 ]; then
	result=0
	report=$(run_suite "$1" 2>&1) || result=1
	printf '%s\n' "$report"
	exit $result
fi
SVCBPF_DEPS=kernels scripts/deps.sh
# An emulated guest keeps one core busy: two at a time, each report in one piece.
export O
options=(--one)
[ $allow_missing = 0 ] || options+=(--allow-missing)
printf '%s\n' "$@" | xargs -d '\n' -n 1 -P 2 "$self" "${options[@]}" || exit 1
