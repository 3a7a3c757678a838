# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A systemd of its own for a script of tests/net: "." it after lib.sh.
#
# It is process 1 of a PID namespace, in a mount namespace whose root is an overlay of this machine's
# root, with private cgroup, IPC and UTS namespaces, and in the network namespace of the script. Its cgroup
# v2 hierarchy is $T_CGROUP of lib.sh, so that what is attached to its root serves nobody else. It takes
# itself to be in a container: /sys and /proc/sys are read-only, and no service of the machine's is started
# but the journal.

S_ROOT=$T_DIR/root

# The overlay that everything happens in; $S_ROOT before systemd runs.
s_make_root() {
	local upper=$T_DIR/overlay/upper unit
	mkdir -p "$upper" "$T_DIR/overlay/work" "$S_ROOT"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$upper,workdir=$T_DIR/overlay/work" "$S_ROOT"
	rm -f "$S_ROOT/usr/sbin/policy-rc.d" # a container's image may forbid packages to start services by it
	mkdir -p "$S_ROOT/etc/systemd/system"
	for unit in timers sockets paths; do
		ln -sf /dev/null "$S_ROOT/etc/systemd/system/$unit.target"
	done
	: >"$S_ROOT/etc/machine-id"
}

# In the new namespaces: the file systems that a container's systemd finds, and systemd itself.
_s_init() {
	local device
	cd "$S_ROOT" || return
	mount -t proc proc proc
	mount --bind proc/sys proc/sys
	mount -o remount,bind,ro proc/sys
	mount -t sysfs sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t bpf bpf sys/fs/bpf
	mount -o remount,bind,ro sys
	mount -t tmpfs tmpfs run
	mount -t tmpfs tmpfs tmp
	mount -t tmpfs tmpfs dev
	for device in null zero full random urandom; do
		: >dev/$device
		mount --bind /dev/$device dev/$device
	done
	mkdir -p dev/shm dev/pts mnt
	mount -t tmpfs tmpfs dev/shm
	mount -t devpts -o newinstance,mode=0620,ptmxmode=0666 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	pivot_root . mnt
	umount -l /mnt
	exec env -i container=svcbpf-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/lib/systemd/systemd --system --unit=sysinit.target --show-status=0
}

# Start it and wait until it answers; sets s_pid. Whoever is to be served must be below $T_CGROUP, which
# becomes a folder beside systemd's own.
s_boot() {
	local outer inside
	mkdir "$T_CGROUP/clients"
	inside="$(declare -f _s_init); S_ROOT=$S_ROOT; set -e; _s_init"
	t_exec unshare --mount --pid --cgroup --ipc --uts --fork --kill-child --propagation private -- \
		"$BASH" -c "$inside" >"$T_DIR/systemd.log" 2>&1 </dev/null &
	outer=$!
	T_CGROUP=$T_CGROUP/clients
	t_wait 20 _s_find_init $outer || return 1
	t_wait 30 s_in systemctl show -p Version
}

_s_find_init() {
	s_pid=$(cat "/proc/$1/task/$1/children")
	s_pid=${s_pid// /}
	[ -n "$s_pid" ] && [ "$(readlink "/proc/$s_pid/exe")" = "$(readlink -f /lib/systemd/systemd)" ]
}

# s_in COMMAND... - run it as an administrator of that system would.
s_in() {
	nsenter --target "$s_pid" --mount --pid --ipc --uts --cgroup -- \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# s_show PROPERTY - of the service.
s_show() { s_in systemctl show -p "$1" --value svcbpf.service; }

# s_is PROPERTY VALUE - for t_wait.
s_is() { [ "$(s_show "$1")" = "$2" ]; }
