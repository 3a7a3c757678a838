#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Show what svcbpf does, on a private node that vanishes afterwards: sudo scripts/demo.sh
#
#   scripts/demo.sh               install what is missing, build, and show
#   scripts/demo.sh --no-install  show; `make demo` calls this
#
# The node is a network, mount and process namespace with pods behind veth pairs, a bpffs and a
# cgroup of its own, and no route out. When the demo ends, however it ends, the kernel takes all of
# it back; only the cgroup's folder has to be removed.
# Every step checks what it shows. Exit: 0 all is as told, 1 something was not.
set -euo pipefail

self=$(readlink -f "${BASH_SOURCE[0]}")
root=$(dirname "$(dirname "$self")")

die() {
	echo "demo.sh: $*" >&2
	exit 1
}

cgroup2_mount() {
	awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2" && $4 == "/") { print $5; exit } }' \
		/proc/self/mountinfo
}

install_and_build() {
	cd "$root"
	SVCBPF_DEPS='build demo' scripts/deps.sh
	exec make -j"$(nproc)" demo
}

# Cgroups of demos that were killed with -9: named by the pid they had.
reap() {
	local folder

	for folder in "$1"/svcbpf-demo-*; do
		[ ! -d "$folder" ] || [ -d "/proc/${folder##*-}" ] || rmdir "$folder" || :
	done
}

# The outer half: run scripts/demo/show.sh as the first process of the node, and clear up behind it.
run_in_node() {
	local build=${O:-$root/build} mount cgroup node status=0

	[ -x "$build/svcbpf" ] || die "$build/svcbpf is not built: run make, or scripts/demo.sh alone"
	mount=$(cgroup2_mount)
	[ -n "$mount" ] || die "no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup"
	reap "$mount"
	cgroup=$mount/svcbpf-demo-$$
	DEMO_CGROUP=$cgroup SVCBPF=$(readlink -f "$build/svcbpf") setpriv --pdeathsig KILL -- \
		unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private -- \
		"$BASH" "$root/scripts/demo/show.sh" &
	node=$!
	trap 'kill -KILL $node 2>/dev/null || :' INT TERM HUP
	wait $node || status=$?
	wait $node 2>/dev/null || : # a second time: the first may have been interrupted
	trap - INT TERM HUP
	[ ! -d "$cgroup" ] || rmdir "$cgroup" 2>/dev/null || { sleep 0.5 && rmdir "$cgroup"; } ||
		die "could not remove $cgroup"
	if [ $status = 0 ]; then
		echo "The node is gone: no namespace, program, map or file of the demo is left."
	fi
	exit $status
}

[ $# = 0 ] || [ "$*" = --no-install ] || die "unknown argument '$*'; there is only --no-install"
if [ "$(id -u)" != 0 ]; then
	die "loading BPF programs and making network namespaces needs root: sudo $self"
fi
[ "${1:-}" = --no-install ] || install_and_build
run_in_node
