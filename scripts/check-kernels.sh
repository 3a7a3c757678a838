#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run the tests that need a kernel under Debian's other kernels, in qemu.
#
#   scripts/check-kernels.sh [--allow-missing] [SUITE…]     default: bullseye bookworm trixie sid
#
# Prints one line a kernel: "KERNEL 6.1.0-42-cloud-amd64: N passed, N failed, N skipped"; what failed
# or was skipped above it. A 5.x kernel may skip what it lacks; on later ones a skip is a failure.
# --allow-missing: a kernel that cannot be fetched is told, and is no failure.
# O: the build folder, built before (make check-kernels does). Two guests run side by side: about
# 7 minutes for two kernels on 2 cores. SVCBPF_VM_TIMEOUT: limit for a kernel, default 1200 seconds.
# Exit: 1 when anything failed.
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

# The programs that a guest runs: all that asks the kernel for something. Left out are
# - the unit tests of model, util, source and cmd: they ask for files only;
# - 20_restart: more than 3 minutes on an emulated CPU; what it asks the kernel for, links that stay
#   and are updated, test_attach, test_crash, 22_cleanup and 23_dump ask for too;
# - 24_clients: curl, Python, Go and Node make the system calls that connloop and udpvips make, but
#   compiling the Go client takes minutes on an emulated CPU;
# - 21_consistency: on one emulated CPU the writer and its readers hardly meet: minutes for what
#   the host shows in 20 seconds;
# - test_packet_fuzz: the parser's instructions are the same under each kernel, and it takes minutes;
# - 26, 50, 52, 53, 55 to 59 and 63: each starts many agents with the packet path, 5 to 10 seconds a time
#   there. test_packets* send packets through whole programs, and 51 and 54 are for the rest: FIB,
#   redirection, path MTU, TCX or clsact, restarts. t_is_slow leaves out in all of them what is only
#   more of the same, so that they can be run by hand: scripts/vm.sh SUITE tests/run.sh FILE;
# - 31_demo, 40_capabilities: the same; they ask for nothing that differs between kernels;
# - 61_migrate: its steady traffic is not steady on an emulated CPU;
# - 60_image, 62_package: they build an image and a package, minutes there, and ask for nothing new.
guest_programs() {
	find "$O/tests/unit/datapath" "$O/tests/bpf" -name 'test_*' -type f -executable \
		! -name test_packet_fuzz | sort
	find tests/net -name '[0-9]*.sh' ! -name '20_*' ! -name '21_*' ! -name '24_*' \
		! -name '26_*' ! -name '31_*' ! -name '40_*' ! -name '5[02356789]_*' ! -name '6[0-3]_*' | sort
}

# The command in the guest; the first line tells the kernel. NET_SCALE: a tenth of the loops, and
# t_is_slow. T_DEVICES: agents without the packet path, except in the scripts about it. PATH is
# Debian's own: the shims of a version manager cost 8 seconds a call on an emulated CPU.
guest_tests() {
	local suite=$1 programs

	mapfile -t programs < <(guest_programs)
	# shellcheck disable=SC2016 # the guest's bash expands it
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		SVCBPF_VM_ENV='O NET_SCALE T_DEVICES TIMEOUT_S' \
		NET_SCALE=10 T_DEVICES=none TIMEOUT_S=300 O=$O \
		SVCBPF_VM_TIMEOUT=${SVCBPF_VM_TIMEOUT:-1200} scripts/vm.sh "$suite" bash -c '
			echo "kernel $(uname -r)"
			case $(uname -r) in 5.*) ;; *) export STRICT=1 ;; esac
			exec tests/run.sh "$@"' bash "${programs[@]}"
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
