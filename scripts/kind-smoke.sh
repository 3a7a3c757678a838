#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Try svcbpf in a kind cluster without kube-proxy: make the cluster, install, check, remove it all.
#
#   scripts/kind-smoke.sh --image-archive FILE [OPTION...]
#
#   --image-archive FILE   the image, as `make image` writes it
#   --name NAME            of the cluster (default: svcbpf-smoke)
#   --ip-family FAMILY     dual, ipv4 or ipv6 (default: dual where this machine has IPv6, else ipv4)
#   --node-image IMAGE     another Kubernetes than this kind's own
#   --test-image IMAGE     what the checks run in pods (default: Kubernetes' agnhost, pulled by the nodes)
#   --component FOLDER     a kustomize component to install it with, such as another configuration
#   --logs FOLDER          where the logs of a failed run go (default: kind-smoke-logs)
#   --keep                 the cluster stays; KUBECONFIG is told
#
# Exit: 0 all is well, 1 a check failed, 2 it could not begin. Needs kind 0.20, Docker with cgroup v2
# and kubectl; about five minutes. Your own kubeconfig is not touched.
#
# Which cgroup: /sys/fs/cgroup, the same path as on any node. kind starts each node with a private
# cgroup namespace (--cgroupns=private), so the cgroup v2 that is mounted in a node has the node's own
# container as its root: below it are systemd, kubelet and the pods of this node, and no other node's.
# A hostPath of it keeps that root inside the agent's pod, although the pod has a cgroup namespace of
# its own: what a bind mount shows was settled when it was mounted. So each node's agent attaches to
# its own part of the machine's tree, and serves its own node only. With a shared cgroup namespace all
# agents would attach to one root, and a connect would be translated by each of them: that is refused
# here. What is outside the nodes, this machine's own processes too, is never translated.
#
# A node of kind has no bpffs: systemd leaves it out in containers. It is mounted here, before the
# agent's pod starts; a machine of its own has it.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
archive='' name=svcbpf-smoke family='' node_image='' test_image='' component='' logs=kind-smoke-logs keep=''
is_created='' api_host='' api_port=''

die() {
	echo "kind-smoke.sh: $1" >&2
	exit 2
}

say() { printf '\n==> %s\n' "$*"; }

read_arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--keep) keep=1 && shift && continue ;;
		--image-archive | --name | --ip-family | --node-image | --test-image | --component | --logs) ;;
		*) die "unknown argument '$1'; usage: scripts/kind-smoke.sh --image-archive FILE [OPTION...]" ;;
		esac
		[ $# -ge 2 ] || die "$1 needs a value"
		case $1 in
		--image-archive) archive=$2 ;;
		--name) name=$2 ;;
		--ip-family) family=$2 ;;
		--node-image) node_image=$2 ;;
		--test-image) test_image=$2 ;;
		--component) component=$2 ;;
		--logs) logs=$2 ;;
		esac
		shift 2
	done
}

default_family() {
	[ "$(cat /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null)" = 0 ] && echo dual || echo ipv4
}

# All that can be known to fail later, before anything is made.
check_machine() {
	local tool
	[ -n "$archive" ] || die "--image-archive FILE is missing: make image writes one"
	[ -f "$archive" ] || die "$archive: no such file: make image writes one"
	[ -z "$component" ] || [ -f "$component/kustomization.yaml" ] ||
		die "--component $component: no kustomization.yaml in it"
	[[ $family =~ ^(dual|ipv4|ipv6|)$ ]] || die "--ip-family $family: must be dual, ipv4 or ipv6"
	for tool in docker kind kubectl curl tar; do
		command -v $tool >/dev/null ||
			die "no command '$tool': install it (kind: go install sigs.k8s.io/kind@v0.33.0)"
	done
	docker version >/dev/null 2>&1 ||
		die "Docker does not answer: is it running, and may $(id -un) use it? $(docker version 2>&1 | tail -n 1)"
	[ "$(docker info --format '{{.CgroupVersion}}')" = 2 ] ||
		die "Docker is on cgroup v1, so nodes would have no v2 to attach to: boot with systemd.unified_cgroup_hierarchy=1"
	[ -r /sys/kernel/btf/vmlinux ] ||
		die "this kernel has no BTF (/sys/kernel/btf/vmlinux): CONFIG_DEBUG_INFO_BTF is off"
	! kind get clusters 2>/dev/null | grep -qxF "$name" ||
		die "there is a cluster $name already: kind delete cluster --name $name, or choose another with --name"
	[ -n "$family" ] || family=$(default_family)
}

# The image's name and tag, from the archive itself.
image_of() { # ARCHIVE
	tar -xOf "$1" manifest.json | tr -d ' \n' | sed -nE 's/.*"RepoTags":\["([^"]+)".*/\1/p'
}

kind_config() {
	cat <<-YAML
		kind: Cluster
		apiVersion: kind.x-k8s.io/v1alpha4
		networking:
		  kubeProxyMode: none
		  ipFamily: $family
		nodes:
		- role: control-plane
		- role: worker
		- role: worker
	YAML
}

create_cluster() {
	say "creating the cluster $name, IP family $family"
	kind_config >"$scratch/kind.yaml"
	is_created=1 # also when it fails half way
	kind create cluster --name "$name" --config "$scratch/kind.yaml" --kubeconfig "$KUBECONFIG" --wait 180s \
		${node_image:+--image "$node_image"}
	mapfile -t nodes < <(kind get nodes --name "$name")
	[ ${#nodes[@]} -gt 0 ] || die "kind tells no nodes of $name"
}

prepare_nodes() {
	local node shared
	shared=$(for node in "${nodes[@]}"; do docker exec "$node" readlink /proc/1/ns/cgroup; done | sort | uniq -d)
	[ -z "$shared" ] || die "nodes share a cgroup namespace ($shared): kind from 0.20 on gives each its own"
	for node in "${nodes[@]}"; do
		[ "$(docker exec "$node" stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
			die "$node: /sys/fs/cgroup is no cgroup v2"
		[ "$(docker exec "$node" stat -f -c %T /sys/fs/bpf)" = bpf_fs ] ||
			docker exec "$node" mount -t bpf bpf /sys/fs/bpf
	done
	kind load image-archive "$archive" --name "$name"
}

# The API server's own address: the ClusterIP is what the agent is about to make work.
find_api_server() {
	local of='{.items[0].endpoints[0].addresses[0]} {.items[0].ports[0].port}'
	read -r api_host api_port < <(kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes \
		-o "jsonpath=$of" && echo) || :
	[ -n "$api_port" ] || die "the Service kubernetes has no endpoint: where is the API server?"
}

# scripts/deploy as it is, with this image and this API server.
overlay() { # IMAGE FOLDER
	mkdir -p "$2"
	cp -r "$here/deploy" "$2/deploy"
	[ -z "$component" ] || cp -r "$component" "$2/component"
	cat >"$2/kustomization.yaml" <<-YAML
		apiVersion: kustomize.config.k8s.io/v1beta1
		kind: Kustomization
		resources: [deploy]
		components: [${component:+component}]
		images: [{name: svcbpf, newName: "${1%:*}", newTag: "${1##*:}"}]
		patches:
		- patch: |
		    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "svcbpf", "namespace": "kube-system"},
		     "data": {"apiServerHost": "$api_host", "apiServerPort": "$api_port"}}
	YAML
}

install_svcbpf() {
	local image
	image=$(image_of "$archive")
	[ -n "$image" ] || die "$archive: no image with a name and tag in it: make image writes one"
	find_api_server
	say "installing $image, API server $api_host port $api_port"
	overlay "$image" "$scratch/overlay"
	kubectl apply -k "$scratch/overlay"
	kubectl -n kube-system rollout status daemonset svcbpf --timeout=180s
	# What needs Services to be ready; kindnet and the nodes do not.
	kubectl -n kube-system rollout status deployment coredns --timeout=180s
}

check_cluster() {
	say "checking"
	ON_NODE='docker exec' "$here/smoke-checks.sh" ${test_image:+--image "$test_image"}
}

# ------------------------------------------------------------------ the end, however it comes

keep_logs() {
	local node
	echo "kind-smoke.sh: the logs are in $logs" >&2
	mkdir -p "$logs"
	kind export logs "$logs/kind" --name "$name" >/dev/null 2>&1 || :
	kubectl get all -A -o wide >"$logs/objects" 2>&1 || :
	kubectl -n kube-system describe daemonset,pod -l k8s-app=svcbpf >"$logs/svcbpf-pods" 2>&1 || :
	kubectl get events -A --sort-by=.lastTimestamp >"$logs/events" 2>&1 || :
	for node in "${nodes[@]}"; do
		for what in 'dump all' status verify; do
			# shellcheck disable=SC2086 # words of a command
			svcbpf_on "$node" $what >"$logs/$node-svcbpf-${what// /-}" 2>&1 || :
		done
		kubectl -n kube-system logs "$(pod_on "$node")" --all-containers >"$logs/$node-svcbpf.log" 2>&1 || :
	done
}

pod_on() { # NODE
	kubectl -n kube-system get pods -l k8s-app=svcbpf --field-selector "spec.nodeName=$1" -o name | head -n 1
}

svcbpf_on() { # NODE ARGUMENTS...
	local node=$1
	shift
	kubectl -n kube-system exec "$(pod_on "$node")" -- svcbpf "$@"
}

finish() {
	local status=$?
	trap - EXIT
	if [ -n "$is_created" ]; then
		[ $status = 0 ] || keep_logs || :
		if [ -n "$keep" ]; then
			echo "kind-smoke.sh: kept: KUBECONFIG=$KUBECONFIG; to remove it: kind delete cluster --name $name" >&2
			exit $status
		fi
		kind delete cluster --name "$name" --kubeconfig "$KUBECONFIG" || status=1
	fi
	rm -rf "$scratch"
	exit $status
}

read_arguments "$@"
check_machine
nodes=()
scratch=$(mktemp -d)
export KUBECONFIG=$scratch/kubeconfig
trap finish EXIT
trap 'exit 130' INT TERM HUP
create_cluster
prepare_nodes
install_svcbpf
check_cluster
