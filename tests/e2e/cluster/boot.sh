#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The first process of a node of tests/e2e/cluster (node.sh starts it): makes its namespaces look like
# a machine of their own, so that every program runs there with its default paths, and the machine
# below is left as it is.
#
#   boot.sh NODE FOLDER ADDRESS...     FOLDER: the node's, it stays over a reboot; its addresses
#
# Expects new mount, UTS, PID, IPC and cgroup namespaces, with /proc mounted, inside the network
# namespace of the node. Writes FOLDER/booted when done; then it only reaps what is left to it.
set -euo pipefail
node=$1 folder=$2
shift 2

# layer PATH - what is written there goes to the node's disk.
layer() {
	local disk=$folder/disk${1//\//-}
	mkdir -p "$disk/upper" "$disk/work"
	mount -t overlay -o "lowerdir=$1,upperdir=$disk/upper,workdir=$disk/work" overlay "$1"
}

# own PATH - a folder that is no overlay, as containerd puts overlays on it.
own() {
	mkdir -p "$folder/disk-own$1" "$1"
	mount --bind "$folder/disk-own$1" "$1"
}

# Cgroups as they are mounted outside, with the node's cgroups as their roots. These stay without
# processes: v2 demands it of a cgroup with others below that have controllers.
cgroups() {
	local mounts path type options
	mounts=$(sed -nE 's|^[^ ]+ [^ ]+ [^ ]+ [^ ]+ ([^ ]+) .* - (cgroup2?) [^ ]+ ([^ ]+)$|\1 \2 \3|p' /proc/self/mountinfo)
	mount -t sysfs sysfs /sys
	! grep -q ' cgroup ' <<<"$mounts" || mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
	while read -r path type options; do
		[[ $path = /sys/fs/cgroup* ]] || continue
		mkdir -p "$path"
		options=${options#rw,}
		[[ ,$options != *,name=* ]] || options=none,$options
		[ "$type" = cgroup ] || options=nosuid
		mount -t "$type" -o "$options" cgroup "$path"
		echo 0 >"$path/host/cgroup.procs"
	done <<<"$mounts"
}

# What kubelet sets machine-wide is a file of the node.
sysctls() {
	local key
	mkdir -p "$folder/sysctl"
	for key in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
		kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
		cat "/proc/sys/$key" >"$folder/sysctl/${key##*/}"
		mount --bind "$folder/sysctl/${key##*/}" "/proc/sys/$key"
	done
}

# Nothing in a node asks a resolver outside.
names() {
	local address
	hostname "$node"
	rm -f /etc/resolv.conf
	: >/etc/resolv.conf
	echo "$node" >/etc/hostname
	md5sum <<<"$node" | cut -c 1-32 >/etc/machine-id
	echo "127.0.0.1 localhost" >/etc/hosts
	echo "::1 localhost" >>/etc/hosts
	for address; do
		echo "$address $node" >>/etc/hosts
	done
}

run() { # a new /run, with the folder of the test in it
	mkdir -p "$folder/run"
	mount -t tmpfs -o mode=755 run "$folder/run"
	mkdir "$folder/run/t" "$folder/run/netns" "$folder/run/lock"
	mount --bind /run/t "$folder/run/t"
	mount --no-mtab --move "$folder/run" /run
}

cgroups
mount -t bpf bpf /sys/fs/bpf
sysctls
for path in /etc /opt /var/lib /var/log; do
	layer $path
done
own /var/lib/containerd
own /var/lib/kubelet
names "$@"
run
mount --make-rshared /
touch "$folder/booted"
trap 'exit 0' TERM
while :; do
	sleep 3600 &
	wait $! || :
done
