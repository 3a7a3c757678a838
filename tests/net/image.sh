# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2153
# The container image in tests: "." it after lib.sh. It is assembled from the built binary, and runs in
# a chroot, or in containerd and runc, which have their files and sockets in $T_DIR.
#
#   $I_ROOT  its root file system     $I_ARCHIVE  the archive     $I_NAME  its name there
#
# In both, the root is read-only and the agent has the three capabilities the DaemonSet gives it.

I_ROOT=$T_DIR/image
I_ARCHIVE=$T_DIR/svcbpf-image.tar
I_NAME=svcbpf:test
I_STATE=$T_DIR/state
_i_capabilities='bpf net_admin perfmon'

# i_assemble - $I_ROOT and $I_ARCHIVE, as `make image` does.
i_assemble() {
	local output
	output=$("$T_ROOT/scripts/image/rootfs.sh" "$SVCBPF" "$I_ROOT" 2>&1 &&
		"$T_ROOT/scripts/image/archive.sh" "$I_ROOT" "$I_ARCHIVE" $I_NAME 2>&1) ||
		t_bail "the image is assembled" "$output"
	t_diag "$output"
}

# ------------------------------------------------------------------ chroot

# i_mount - make $I_ROOT read-only, and mount in it what the DaemonSet brings. Paths of the test and of
# the machine's cgroups mean the same inside.
i_mount() {
	mkdir -p "$I_STATE"
	mount --bind "$I_ROOT" "$I_ROOT"
	mount -o remount,bind,ro "$I_ROOT"
	mount -t proc proc "$I_ROOT/proc"
	mount --rbind /sys "$I_ROOT/sys"
	mount --bind /run "$I_ROOT/run"
	mount --bind "$T_DIR/bpf" "$I_ROOT$T_DIR/bpf"
	mount --bind "$I_STATE" "$I_ROOT/var/lib/svcbpf"
}

# i_wrapper FILE - a command that runs the image's svcbpf in there: "FILE run --once".
i_wrapper() {
	local dropped
	dropped=$(capsh --print | sed -n 's/^Bounding set *=//p' | tr , '\n' |
		grep -vxE "cap_(${_i_capabilities// /|})" | paste -sd,)
	cat >"$1" <<-END
		#!/bin/sh
		exec capsh --chroot="$I_ROOT" --drop="$dropped" --shell=/usr/sbin/svcbpf -- "\$@"
	END
	chmod +x "$1"
}

# ------------------------------------------------------------------ containerd

# i_ctr ARGUMENTS... - ctr(8) at the test's containerd.
i_ctr() { timeout 60 ctr --address "$T_DIR/containerd/sock" --namespace test "$@"; }

# i_start_containerd - and import the archive. As on a node, all processes are below the agent's cgroup:
# $T_CGROUP/runtime, /pod/svcbpf, and from here on the clients of t_in in /client.
i_start_containerd() {
	local folder=$T_DIR/containerd output
	mkdir -p "$folder" "$T_CGROUP"/{runtime,pod,client}
	_i_host_cgroup=$T_CGROUP
	T_CGROUP=$T_CGROUP/client
	_i_make_namespace
	cat >"$folder/config.toml" <<-END
		version = 2
		root = "$folder/root"
		state = "$folder/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
			"io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
			"io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing"]
		[grpc]
		  address = "$folder/sock"
	END
	_i_in_cgroup runtime containerd --config "$folder/config.toml" >"$folder/log" 2>&1 &
	t_wait 30 i_ctr version || t_bail "containerd starts" "$(tail -n 5 "$folder/log")"
	output=$(i_ctr images import "$I_ARCHIVE" 2>&1) || t_bail "containerd imports the archive" "$output"
	_i_reference=$(i_ctr images ls -q)
}

_i_in_cgroup() { # runtime|pod COMMAND... &
	echo 0 >"$_i_host_cgroup/$1/cgroup.procs"
	exec "${@:2}"
}

# A cgroup namespace whose root is the pod's folder, as kubelets with cgroup v2 give each container:
# what is above is not seen. The process that keeps it leaves the folder to runc.
_i_make_namespace() {
	# shellcheck disable=SC2016 # for the inner shell
	_i_in_cgroup pod unshare --cgroup sh -c 'echo 0 >"$1" && exec sleep infinity' sh \
		"$_i_host_cgroup/runtime/cgroup.procs" &
	_i_namespace=/proc/$!/ns/cgroup
	t_wait 10 grep -qx $! "$_i_host_cgroup/runtime/cgroup.procs" || t_bail "a cgroup namespace is made"
}

# i_run [OPTIONS OF ctr] -- [ARGUMENTS] - start the image as container "svcbpf" in the background, as the
# DaemonSet would. ctr has no arguments for an entry point, so this one is named once more.
i_run() {
	local options=() name
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	for name in CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP \
		NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE; do
		options+=(--cap-drop "CAP_$name")
	done
	for name in $_i_capabilities; do
		options+=(--cap-add "CAP_${name^^}")
	done
	mkdir -p "$I_STATE"
	i_ctr run --detach --read-only --net-host --seccomp --cgroup "/${_i_host_cgroup##*/}/pod/svcbpf" \
		--with-ns "cgroup:$_i_namespace" --log-uri "file://$T_DIR/container.log" \
		--mount "type=bind,src=$T_DIR/bpf,dst=/sys/fs/bpf,options=rbind:rw" \
		--mount "type=bind,src=$_i_host_cgroup,dst=/host/cgroup,options=rbind:ro" \
		--mount "type=bind,src=$I_STATE,dst=/var/lib/svcbpf,options=rbind:rw" \
		"${options[@]}" "$_i_reference" svcbpf /usr/sbin/svcbpf "$@"
}

# i_exec COMMAND... - as `kubectl exec` does.
i_exec() {
	_i_n_execs=$((${_i_n_execs:-0} + 1))
	i_ctr task exec --exec-id "exec-$$-$BASHPID-$_i_n_execs" svcbpf "$@"
}

# i_pid - of the agent, as the test sees it.
i_pid() { i_ctr task ls | awk '$1 == "svcbpf" { print $2 }'; }

# i_stop - end the container as the kubelet does, and remove it; sets i_status.
i_stop() {
	local pid
	pid=$(i_pid)
	i_ctr task kill -s TERM svcbpf
	t_wait 10 _i_is_stopped || i_ctr task kill -s KILL svcbpf
	i_status=0
	# shellcheck disable=SC2034 # read by the scripts
	i_ctr task delete svcbpf || i_status=$?
	i_ctr container delete svcbpf
	t_ok "the agent's process is gone" [ ! -d "/proc/$pid" ]
}
_i_is_stopped() { i_ctr task ls | grep -q '^svcbpf .*STOPPED'; }
