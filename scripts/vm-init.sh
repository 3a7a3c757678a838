#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC1091
# The guest's side of scripts/vm.sh; busybox's shell is all it needs. It runs twice as process 1:
# in the initramfs, to mount the machine's root file system read-only under an overlay, and in that
# root, to run the command. /vm holds what vm.sh hands over: config (sh variables), command (bash).
#
# The console (ttyS0) tells vm.sh what happens: "$TOKEN up", "$TOKEN log …", "$TOKEN exit N";
# the command's output goes to ttyS1, byte for byte.
set -u

say() {
	echo "$TOKEN $*" >/dev/console
}

give_up() {
	say "log no root file system: $1 failed"
	poweroff -f
}

mount_root() {
	local module

	/bin/busybox --install -s /bin
	mkdir -p /proc /sys /dev /lower /upper "$root"
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev
	for module in /early/*.ko; do
		insmod "$module" || say "log insmod $module failed"
	done
	mount -t virtiofs -o ro host /lower || give_up virtiofs
	mount -t tmpfs upper /upper || give_up tmpfs
	mkdir /upper/data /upper/work
	mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay "$root" ||
		give_up overlay
	mkdir -p "$root/lib/modules/$VERSION"
	mount -o bind "/lower$KERNEL_DIR/lib/modules/$VERSION" "$root/lib/modules/$VERSION"
}

mount_api_file_systems() {
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount -t devtmpfs dev "$root/dev"
	mount -t tmpfs run "$root/run"
	mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/run/netns" "$root/run/lock"
	mount -t devpts devpts "$root/dev/pts"
	mount -t tmpfs shm "$root/dev/shm"
	ln -s /proc/self/fd "$root/dev/fd" # devtmpfs lacks it; bash's <(…) needs it
	mkdir -p "$root/dev/net"
	mknod "$root/dev/net/tun" c 10 200 # as udev does: opening it loads the module
	mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
	mount -t bpf bpf "$root/sys/fs/bpf"
}

start_guest() {
	root=/new
	mount_root
	mount_api_file_systems
	ip link set lo up
	hostname svcbpf-vm
	ulimit -n 65536
	ulimit -l unlimited # before 5.11 maps count as locked memory
	cp -r /vm "$root/run/vm"
	exec switch_root "$root" /run/vm/busybox sh /run/vm/init run
}

run_command() {
	local bb=/run/vm/busybox result

	$bb stty -F /dev/ttyS1 raw
	say up
	$bb setsid bash /run/vm/command </dev/null >/dev/ttyS1 2>&1
	result=$?
	$bb dmesg | $bb grep -E 'WARNING: CPU|BUG: [^s]|Oops|general protection|verifier bug' |
		while read -r line; do
			say "log $line"
		done
	$bb sync
	$bb sleep 0.1 # let the serial port drain
	say "exit $result"
	$bb poweroff -f
}

if [ "${1:-}" = run ]; then
	. /run/vm/config
	run_command
else
	. /vm/config
	start_guest
fi
