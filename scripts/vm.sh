#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run a command as root under the kernel of a Debian suite, in qemu; exit with its status.
#
#   scripts/vm.sh SUITE COMMAND [ARG…]        SUITE: bullseye (5.10) bookworm (6.1) trixie (6.12) sid …
#
# The guest's root is this machine's root file system, read-only under an overlay in memory: the
# command finds everything where it is here, starts in this folder, and what it writes is gone
# afterwards. cgroup v2 and bpffs are mounted, lo is up, and there is no other network.
# Exit: the command's status; 124 timeout; 125 the guest died, or its kernel reported a bug.
#
# SVCBPF_VM_TIMEOUT (seconds, default 900), SVCBPF_VM_MEMORY (default 2048M),
# SVCBPF_VM_ENV (names of variables the command gets), SVCBPF_VM_ACCEL (kvm or tcg).
set -euo pipefail

die() {
	echo "vm.sh: $*" >&2
	exit 125
}

[ $# -ge 2 ] || die "usage: vm.sh SUITE COMMAND [ARG...]"
suite=$1
shift
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
[ "$(id -u)" = 0 ] || die "sharing the root file system needs root"
for tool in qemu-system-x86_64 busybox cpio setsid; do
	command -v $tool >/dev/null ||
		die "$tool is not installed: SVCBPF_DEPS=kernels $here/deps.sh"
done
for virtiofsd in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd ''; do
	[ ! -x "$virtiofsd" ] || break
done
[ -n "$virtiofsd" ] || die "virtiofsd is not installed: SVCBPF_DEPS=kernels $here/deps.sh"
kernel_dir=$("$here/vm-kernel.sh" "$suite") || die "no kernel for $suite"
version=$(<"$kernel_dir/version")
timeout_s=${SVCBPF_VM_TIMEOUT:-900}
memory=${SVCBPF_VM_MEMORY:-2048M}
token=svcbpf-vm-$$-$RANDOM
tmp=$(mktemp -d "${TMPDIR:-/tmp}/svcbpf-vm.XXXXXX")
virtiofsd_pid='' qemu_pid=''

# shellcheck disable=SC2317 # called by the trap
stop() {
	[ -z "$qemu_pid" ] || kill "$qemu_pid" 2>/dev/null || :
	[ -z "$virtiofsd_pid" ] || kill "$virtiofsd_pid" 2>/dev/null || :
	rm -rf "$tmp"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

write_command() {
	local name

	for name in PATH HOME LANG ${SVCBPF_VM_ENV:-}; do
		[ -z "${!name+set}" ] || printf 'export %s=%q\n' "$name" "${!name}"
	done
	printf 'export TERM=dumb SVCBPF_VM=1\ncd %q || exit 125\nexec' "$PWD"
	printf ' %q' "$@"
	echo
}

make_initramfs() {
	local tree=$tmp/initramfs

	mkdir -p "$tree"/{bin,vm}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	cp "$tree/bin/busybox" "$tree/vm/busybox"
	cp -r "$kernel_dir/early" "$tree/early"
	cp "$here/vm-init.sh" "$tree/init"
	cp "$here/vm-init.sh" "$tree/vm/init"
	write_command "$@" >"$tree/vm/command"
	printf 'TOKEN=%s\nVERSION=%q\nKERNEL_DIR=%q\n' "$token" "$version" "$kernel_dir" \
		>"$tree/vm/config"
	chmod -R a+rX "$tree"
	chmod 755 "$tree/init"
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$tmp/initrd"
}

# What qemu 7.2's emulation gets wrong, each seen here: parallel vCPUs run into instructions that
# the guest is patching (int3 oops); cmpxchg16b corrupts the slab of 6.12; without it, 7.x refuses
# bpf_sk_storage_get(CREATE). A /dev/kvm without vmx or svm interprets the kernel: slower still.
choose_cpu() {
	local accel=${SVCBPF_VM_ACCEL:-}

	if [ -z "$accel" ]; then
		accel=tcg
		[ ! -w /dev/kvm ] || ! grep -qwE 'vmx|svm' /proc/cpuinfo || accel=kvm
	fi
	if [ "$accel" = kvm ]; then
		cpu=(-accel kvm -cpu host)
		return
	fi
	case $version in
	[3-6].*) cpu=(-accel 'tcg,thread=single' -cpu 'max,la57=off,cx16=off') ;;
	*) cpu=(-accel 'tcg,thread=single' -cpu 'max,la57=off') ;;
	esac
}

start_virtiofsd() {
	local options=(--shared-dir / --sandbox chroot --cache always) i

	[ "$virtiofsd" != /usr/lib/qemu/virtiofsd ] ||
		options=(-o source=/ -o sandbox=chroot -o cache=always)
	rm -f "$tmp/fs.sock"
	"$virtiofsd" --socket-path="$tmp/fs.sock" "${options[@]}" >"$tmp/virtiofsd.log" 2>&1 &
	virtiofsd_pid=$!
	for ((i = 0; i < 100; i++)); do
		[ ! -S "$tmp/fs.sock" ] || return 0
		sleep 0.05
	done
	cat "$tmp/virtiofsd.log" >&2
	die "virtiofsd did not start"
}

start_qemu() {
	timeout --foreground -k 5 "$timeout_s" qemu-system-x86_64 "${cpu[@]}" -smp 2 -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-object memory-backend-memfd,id=memory,size="$memory",share=on \
		-numa node,memdev=memory -device virtio-rng-pci \
		-chardev socket,id=fs,path="$tmp/fs.sock" \
		-device vhost-user-fs-pci,chardev=fs,tag=host \
		-serial file:"$tmp/console" \
		-chardev stdio,id=output,signal=off -serial chardev:output \
		-kernel "$kernel_dir/vmlinuz" -initrd "$tmp/initrd" \
		-append "console=ttyS0 quiet panic=-1 oops=panic mitigations=off nokaslr tsc=reliable \
no_timer_check random.trust_cpu=on cryptomgr.notests" </dev/null 2>"$tmp/qemu.log" &
	qemu_pid=$!
}

is_up() {
	grep -aq "$token up" "$tmp/console"
}

# One try: a guest that is not up after two minutes is stopped.
boot() {
	local i

	: >"$tmp/console"
	qemu_result=0
	start_virtiofsd
	start_qemu
	for ((i = 0; i < 600; i++)); do
		is_up && break
		kill -0 "$qemu_pid" 2>/dev/null || break
		sleep 0.2
	done
	is_up || kill "$qemu_pid" 2>/dev/null || :
	wait "$qemu_pid" || qemu_result=$?
	kill "$virtiofsd_pid" 2>/dev/null || :
	wait "$virtiofsd_pid" || :
	qemu_pid='' virtiofsd_pid=''
}

make_initramfs "$@"
choose_cpu
# Emulated boots die now and then; a guest in which the command has begun is never tried again.
for try in 1 2 3; do
	boot
	! is_up || break
	echo "vm.sh: $version did not come up (try $try): $(tail -n 1 "$tmp/console" "$tmp/qemu.log" | xargs)" >&2
done
result=$(tr -d '\r' <"$tmp/console" | sed -n "s/.*$token exit \([0-9][0-9]*\)\$/\1/p" | tail -n 1)
bugs=$(tr -d '\r' <"$tmp/console" | sed -n "s/.*$token log /vm.sh: $suite: /p")
[ -z "$bugs" ] || echo "$bugs" >&2
if [ -n "$result" ]; then
	[ -z "$bugs" ] || exit 125
	exit "$result"
fi
if [ "$qemu_result" = 124 ]; then
	echo "vm.sh: $version: not done after $timeout_s s" >&2
	exit 124
fi
cat "$tmp/qemu.log" >&2
	tail -n 30 "$tmp/console" >&2
die "$version: the guest ended without an exit status (qemu: $qemu_result)"
