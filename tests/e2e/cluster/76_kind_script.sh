#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/kind-smoke.sh from end to end, in the two-node cluster: the image as an archive, imported into
# containerd; scripts/deploy applied with kustomize, so that the agents run as pods; the checks; the end.
#
# Only kind and docker themselves are stand-ins, which do to this cluster what those do to theirs. One
# answer of theirs is made up: this machine may have cgroup v1 as well, and then v2 is one folder lower
# than in a node of kind; a kustomize component tells the agents so.
set -euo pipefail
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

stand_ins=$T_DIR/stand-ins

# on-NODE COMMAND... as a program: c_node for other processes than this one.
make_on_node() { # NODE
	{
		echo '#!/bin/bash'
		while read -r mount; do
			echo "echo \$\$ >$mount/${T_CGROUP##*/}/$1/host/cgroup.procs"
		done <<<"$_c_cgroup_mounts"
		echo "exec nsenter --target ${c_pids[$1]} --net --mount --uts --ipc --cgroup --pid -- \"\$@\""
	} >"$stand_ins/on-$1"
}

# outside COMMAND...: c_client.
make_stand_ins() {
	local node
	mkdir -p "$stand_ins"
	for node in "${c_nodes[@]}"; do make_on_node "$node"; done
	cat >"$stand_ins/docker" <<-BASH
		#!/bin/bash
		set -euo pipefail
		case \$1 in
		version) echo stand-in ;;
		info) echo 2 ;;
		exec)
			node=\$2
			shift 2
			if [ "\$*" = "stat -f -c %T /sys/fs/cgroup" ]; then
				echo cgroup2fs
			else
				exec "$stand_ins/on-\$node" "\$@"
			fi
			;;
		*) echo "docker: not expected: \$*" >&2 && exit 1 ;;
		esac
	BASH
	cat >"$stand_ins/kind" <<-BASH
		#!/bin/bash
		set -euo pipefail
		echo "\$*" >>"$T_DIR/kind-calls"
		case "\$1 \$2" in
		"get clusters") ;;
		"get nodes") printf '%s\n' ${c_nodes[*]} ;;
		"create cluster")
			while [ "\$1" != --config ]; do shift; done
			cp "\$2" "$T_DIR/kind.yaml"
			while [ "\$1" != --kubeconfig ]; do shift; done
			cp "$E_DIR/admin.kubeconfig" "\$2"
			;;
		"load image-archive")
			for node in ${c_nodes[*]}; do "$stand_ins/on-\$node" ctr -n k8s.io images import "\$3"; done
			;;
		"export logs") mkdir -p "\$3" ;;
		"delete cluster") ;;
		*) echo "kind: not expected: \$*" >&2 && exit 1 ;;
		esac
	BASH
	printf '#!/bin/bash\nexec nsenter --net=/run/netns/client -- "$@"\n' >"$stand_ins/outside"
	chmod +x "$stand_ins"/*
	ln -s "$E_BIN/kubectl" "$stand_ins/kubectl"
}

# Where cgroup v2 is in a node, below the agent's /host/cgroup.
make_component() {
	local mount
	# shellcheck disable=SC2016 # awk's
	mount=$(c_node n1 awk '$3 == "cgroup2" { sub("^/sys/fs/cgroup", "", $2); print $2; exit }' /proc/mounts)
	mkdir -p "$T_DIR/component"
	cat >"$T_DIR/component/kustomization.yaml" <<-YAML
		apiVersion: kustomize.config.k8s.io/v1alpha1
		kind: Component
		patches:
		- target: {kind: DaemonSet, name: svcbpf}
		  patch: |
		    [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--cgroup=/host/cgroup$mount"}]
	YAML
}

make_image() {
	"$T_ROOT/scripts/image/rootfs.sh" "$SVCBPF" "$T_DIR/image" || return
	"$T_ROOT/scripts/image/archive.sh" "$T_DIR/image" "$T_DIR/svcbpf.tar" svcbpf:under-test
}

# kind_smoke OPTIONS... - the script; sets status.
kind_smoke() {
	status=0
	PATH=$stand_ins:$PATH FROM_OUTSIDE="$stand_ins/outside" \
		"$T_ROOT/scripts/kind-smoke.sh" --logs "$T_DIR/logs" "$@" >"$T_DIR/kind-smoke" 2>&1 || status=$?
}

# ------------------------------------------------------------------ refused, and why

refused() { # FACT PATTERN OPTIONS...
	local fact=$1 pattern=$2
	shift 2
	kind_smoke "$@"
	t_is "$fact: status" $status 2
	t_like "$fact: says why" "$(<"$T_DIR/kind-smoke")" "$pattern"
	t_is "$fact: one line" "$(wc -l <"$T_DIR/kind-smoke")" 1
}

C_DATAPLANE=none
c_up
make_stand_ins
make_component
make_image >"$T_DIR/image.log" 2>&1 || t_bail "the image is made" "$(tail -n 5 "$T_DIR/image.log")"

refused "without an image" 'make image writes one'
refused "with an image that is not there" '/nowhere.*make image writes one' --image-archive /nowhere
refused "with another option" "unknown argument '--imagearchive'" --imagearchive "$T_DIR/svcbpf.tar"
refused "with a family that there is not" 'must be dual, ipv4 or ipv6' \
	--image-archive "$T_DIR/svcbpf.tar" --ip-family both
mv "$stand_ins/kind" "$stand_ins/kind.away"
if ! command -v kind >/dev/null; then
	refused "without kind" "no command 'kind'" --image-archive "$T_DIR/svcbpf.tar"
fi
mv "$stand_ins/kind.away" "$stand_ins/kind"
t_ok "nothing was made so far" [ ! -e "$T_DIR/kind.yaml" ]

# ------------------------------------------------------------------ all of it

options=(--image-archive "$T_DIR/svcbpf.tar" --component "$T_DIR/component" --test-image "${c_images[agnhost]}")
# kubeadm brings CoreDNS; it is not ready before Services work.
sed "s|IMAGE|${c_images[coredns]}|" "$C_HERE/coredns.yaml" | c_kubectl apply -f - >>"$E_DIR/kubectl.log"
kind_smoke "${options[@]}"
t_is "scripts/kind-smoke.sh succeeds" $status 0
[ $status = 0 ] || t_diag "$(tail -n 60 "$T_DIR/kind-smoke")"
t_like "it prints what the kernel holds" "$(<"$T_DIR/kind-smoke")" 'svcbpf-smoke/web +http +NodePort'
t_like "and the sum of the checks" "$(<"$T_DIR/kind-smoke")" '^[1-9][0-9]+ passed, 0 failed, 0 skipped$'
t_like "the cluster it asks for has no kube-proxy" "$(<"$T_DIR/kind.yaml")" 'kubeProxyMode: none'
last_call() { tail -n 1 "$T_DIR/kind-calls" | cut -d ' ' -f 1-4; }
t_is "the cluster is deleted at the end" "$(last_call)" "delete cluster --name svcbpf-smoke"
t_ok "no logs are kept when all is well" [ ! -e "$T_DIR/logs" ]

# ------------------------------------------------------------------ checks that fail

: >"$T_DIR/kind-calls"
c_kubectl create namespace svcbpf-smoke >/dev/null
kind_smoke "${options[@]}"
t_is "when the checks fail, it fails like them" $status 2
t_like "and says why" "$(<"$T_DIR/kind-smoke")" 'the namespace svcbpf-smoke exists'
t_like "and keeps logs" "$(ls "$T_DIR/logs" 2>&1)" 'n1-svcbpf.log'
t_ok "with what the kernel held" grep -q default/kubernetes "$T_DIR/logs/n1-svcbpf-dump-all"
t_is "and the cluster is deleted all the same" "$(last_call)" "delete cluster --name svcbpf-smoke"
t_done
