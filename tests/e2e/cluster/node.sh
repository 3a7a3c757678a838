# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The nodes of tests/e2e/cluster: "." it by lib.sh, which has what it uses.
#
# A node is a set of namespaces (network, mount, UTS, IPC, PID, cgroup) that boot.sh makes look like a
# machine, with containerd, kubelet and a bridge with hairpin mode as its pod network. Its folder
# $C_DIR/NODE has its disk and its logs. The cgroup of svcbpf's socket programs is the root of what
# the node sees as cgroup v2, and the parent of all that runs on it.

# What scripts read, and the processes that wait for the nodes, what runs on them, and for imports.
c_nodes=()
declare -A c_ip4=([client]=172.18.0.100) c_ip6=([client]=fd00:172:18::100)
declare -A c_pods4=() c_pods6=() c_images=() c_pids=() c_waiters=() c_imports=()

# ------------------------------------------------------------------ running something on a node

# _c_enter NODE COMMAND... & - replaces the (sub)shell by nsenter, whose only child is the command.
_c_enter() {
	local node=$1 mount
	shift
	while read -r mount; do
		echo 0 >"$mount/${T_CGROUP##*/}/$node/host/cgroup.procs"
	done <<<"$_c_cgroup_mounts"
	exec nsenter --target "${c_pids[$node]}" --net --mount --uts --ipc --cgroup --pid -- "$@"
}

c_node() (_c_enter "$@") # NODE COMMAND... - as a root shell there would

# c_spawn NODE NAME COMMAND... - in the background; the output goes to $C_DIR/NODE/NAME.log.
# ${c_pids[NODE/NAME]} is its pid as seen from here.
c_spawn() {
	local id=$1/$2 node=$1
	shift 2
	_c_enter "$node" "$@" >>"$C_DIR/$id.log" 2>&1 </dev/null &
	c_waiters[$id]=$!
	_c_child $! || t_bail "$id starts" "$(tail -n 5 "$C_DIR/$id.log")"
	c_pids["$id"]=$c_child
}

_c_child() { # PID - sets c_child, as soon as it has one
	local deadline=$(($(t_now_ms) + 10000))
	until c_child=$(pgrep -P "$1"); do
		kill -0 "$1" 2>/dev/null && [ "$(t_now_ms)" -lt $deadline ] || return 1
		_t_tick
	done
}

# c_kill NODE NAME [SIGNAL] - end it and wait; sets c_status.
c_kill() {
	kill "-${3:-TERM}" "${c_pids[$1/$2]}" 2>/dev/null || :
	# shellcheck disable=SC2034 # read by the scripts
	c_status=0
	# shellcheck disable=SC2034
	wait "${c_waiters[$1/$2]}" 2>/dev/null || c_status=$?
}

# ------------------------------------------------------------------ cgroups

_c_cgroup_mounts=$(t_cgroup_mounts)

# A cgroup in every hierarchy, for the node and in it one for what is no pod.
_c_make_cgroups() { # NODE
	local mount folder key
	while read -r mount; do
		folder=$mount
		for key in "${T_CGROUP##*/}" "$1" host; do
			[ "$key" = host ] || _c_hand_down "$folder"
			folder+=/$key
			mkdir -p "$folder"
			_c_cpuset "$folder"
		done
	done <<<"$_c_cgroup_mounts"
}

# Where v2 is all there is, its controllers have to be handed down.
_c_hand_down() { # FOLDER
	local controller
	[ "$(wc -l <<<"$_c_cgroup_mounts")" = 1 ] || return 0
	for controller in $(<"$1/cgroup.controllers"); do
		echo "+$controller" >"$1/cgroup.subtree_control" 2>/dev/null || :
	done
}

_c_cpuset() { # FOLDER - in v1 a new one has no CPU at all
	local key
	for key in cpuset.cpus cpuset.mems; do
		[ ! -e "$1/cgroup.clone_children" ] || [ ! -e "$1/$key" ] || cat "$1/../$key" >"$1/$key"
	done
}

_c_remove_cgroups() { # NODE
	local mount
	while read -r mount; do
		_t_remove_cgroup "$mount/${T_CGROUP##*/}/$1"
		[ ! -d "$mount/${T_CGROUP##*/}/$1" ] || return 1
	done <<<"$_c_cgroup_mounts"
}

# ------------------------------------------------------------------ the node's life

# c_node_create NODE - power it on; with kubelet, but without a pod network yet.
c_node_create() {
	local node=$1 addresses
	c_ip4["$node"]=172.18.0.1${node#n} c_ip6["$node"]=fd00:172:18::1${node#n}
	addresses=IP:${c_ip4[$node]},IP:${c_ip6[$node]}
	c_nodes+=("$node")
	mkdir -p "$C_DIR/$node"
	e_certificate "node-$node" "/O=system:nodes/CN=system:node:$node" clientAuth,serverAuth ca "DNS:$node,$addresses"
	e_certificate_config "node-$node" >"$C_DIR/$node/kubelet.kubeconfig"
	_c_boot "$node"
	_c_import_all "$node" &
	c_imports[$node]=$!
}

# _c_boot NODE - namespaces, containerd, kubelet. There are three zones: n1 and n4 are in z1.
_c_boot() {
	local node=$1 mount
	_c_connect "$node"
	_c_make_cgroups "$node"
	rm -f "$C_DIR/$node/booted"
	_c_boot_namespaces "$node" >>"$C_DIR/$node/boot.log" 2>&1 </dev/null &
	c_waiters[$node]=$!
	_c_child $! || t_bail "$node gets its namespaces" "$(tail -n 5 "$C_DIR/$node/boot.log")"
	c_pids["$node"]=$c_child
	t_wait 30 test -e "$C_DIR/$node/booted" || t_bail "$node boots" "$(tail -n 5 "$C_DIR/$node/boot.log")"
	while read -r mount; do # out of the node's own cgroups, where boot.sh is no more either
		echo "${c_waiters[$node]}" >"$mount/${T_CGROUP##*/}/$node/host/cgroup.procs"
	done <<<"$_c_cgroup_mounts"
	_c_write_containerd "$node"
	c_spawn "$node" containerd containerd
	t_wait 60 c_node "$node" ctr version || t_bail "containerd starts on $node" "$(tail -n 5 "$C_DIR/$node/containerd.log")"
	_c_write_kubelet "$node"
	c_spawn "$node" kubelet "$E_BIN/kubelet" --config /var/lib/kubelet/config.yaml \
		--kubeconfig "$C_DIR/$node/kubelet.kubeconfig" --hostname-override "$node" \
		--node-ip "${c_ip4[$node]},${c_ip6[$node]}" --node-labels "topology.kubernetes.io/zone=z$(((${node#n} - 1) % 3 + 1))"
}

# From a shell in the node's cgroups, as these become the roots of its cgroup namespace.
_c_boot_namespaces() { # NODE
	local mount
	while read -r mount; do
		echo 0 >"$mount/${T_CGROUP##*/}/$1/cgroup.procs"
	done <<<"$_c_cgroup_mounts"
	exec nsenter --net="/run/netns/$1" -- unshare --mount --uts --ipc --pid --cgroup --fork --kill-child \
		--mount-proc -- "$BASH" "$C_HERE/boot.sh" "$1" "$C_DIR/$1" "${c_ip4[$1]}" "${c_ip6[$1]}"
}

# c_node_join NODE - give it its pod network, wait until it is Ready, and start the Service dataplane.
c_node_join() {
	local node=$1
	t_wait 60 _c_has_pod_ranges "$node" || t_bail "$node registers" "$(tail -n 5 "$C_DIR/$node/kubelet.log")"
	read -r "c_pods4[$node]" "c_pods6[$node]" < <(_c_pod_ranges "$node")
	_c_write_cni "$node"
	_c_route "$node"
	wait "${c_imports[$node]}" || t_bail "images are imported on $node" "$(tail -n 5 "$C_DIR/$node/import.log")"
	t_wait 60 _c_is_ready "$node" || t_bail "$node becomes Ready" "$(tail -n 5 "$C_DIR/$node/kubelet.log")"
	case $C_DATAPLANE in
	none) ;;
	svcbpf) c_agent_start "$node" ;;
	*) c_proxy_start "$node" "$C_DATAPLANE" ;;
	esac
}

_c_pod_ranges() { k_get "nodes/$1" 2>/dev/null | t_json '*d["spec"].get("podCIDRs", ())'; }
_c_has_pod_ranges() { [ -n "$(_c_pod_ranges "$1")" ]; }
_c_is_ready() { c_node_condition "$1" Ready | grep -qx True; }

c_node_condition() { # NODE TYPE - its status
	k_get "nodes/$1" | t_json "next((c['status'] for c in d['status']['conditions'] if c['type'] == '$2'), 'none')"
}

# c_node_down NODE - power off, at once; what is on its disk stays.
c_node_down() {
	kill -KILL "${c_pids[$1]}"
	wait "${c_waiters[$1]}" 2>/dev/null || :
	ip netns del "$1"
	ip link del "s-$1" 2>/dev/null || :
	t_wait 20 _c_remove_cgroups "$1" || t_bail "$1 goes down"
}

# c_node_boot NODE - power on again: its disk is as it was; no pods, no pins, no devices. Starts no
# Service dataplane.
c_node_boot() {
	local other
	_c_boot "$1"
	for other in "${c_nodes[@]}"; do
		_c_route "$other"
	done
}

# ------------------------------------------------------------------ images

c_import_image() { # NODE ARCHIVE
	c_node "$1" ctr -n k8s.io images import "$2" >>"$C_DIR/$1/import.log" 2>&1
}

_c_import_all() { # NODE
	local archive
	for archive in "$C_IMAGE_FOLDER"/*.tar; do
		c_import_image "$1" "$archive" || return
	done
}

# ------------------------------------------------------------------ configuration

# What is not CRI is off, and nothing is pulled.
_c_write_containerd() { # NODE
	c_node "$1" bash -c 'mkdir -p /etc/containerd && cat >/etc/containerd/config.toml' <<-TOML
		version = 2
		disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
		  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
		  "io.containerd.internal.v1.tracing"]
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "${c_images[pause]}"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    max_conf_num = 1
	TOML
}

# Nodes never run out of anything: they share the machine with its other users.
_c_write_kubelet() { # NODE
	local pki=$E_DIR/pki
	c_node "$1" tee /var/lib/kubelet/config.yaml >/dev/null <<-YAML
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		address: ${c_ip4[$1]}
		authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $pki/ca.crt}}
		authorization: {mode: AlwaysAllow}
		tlsCertFile: $pki/node-$1.crt
		tlsPrivateKeyFile: $pki/node-$1.key
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		cgroupDriver: cgroupfs
		enforceNodeAllocatable: []
		failCgroupV1: false
		failSwapOn: false
		clusterDNS: [10.96.0.10]
		clusterDomain: cluster.local
		makeIPTablesUtilChains: false
		volumePluginDir: /var/lib/kubelet/plugins
		imageGCHighThresholdPercent: 100
		imageGCLowThresholdPercent: 99
		evictionHard: {memory.available: 0%, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%}
		nodeStatusUpdateFrequency: 5s
		syncFrequency: 10s
		maxPods: 200
	YAML
}

_c_write_cni() { # NODE
	c_node "$1" bash -c 'mkdir -p /etc/cni/net.d && cat >/etc/cni/net.d/new && mv /etc/cni/net.d/new /etc/cni/net.d/10-bridge.conflist' <<-JSON
		{"cniVersion": "0.4.0", "name": "pods", "plugins": [
		  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "mtu": 1500,
		   "ipam": {"type": "host-local", "ranges": [[{"subnet": "${c_pods4[$1]}"}], [{"subnet": "${c_pods6[$1]}"}]],
		            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	JSON
}

# ------------------------------------------------------------------ Service dataplanes

# c_agent_start NODE [OPTIONS] - svcbpf as a service of the host, all paths as by default; returns when
# it is ready.
c_agent_start() {
	local node=$1 ready=$C_DIR/$1/ready
	shift
	: >"$ready"
	c_spawn "$node" svcbpf "$SVCBPF" run --kubeconfig "$C_AGENT_CONFIG" --node-name "$node" --ready-fd 9 "$@" 9>"$ready"
	t_wait_line 60 "$ready" . "${c_pids[$node/svcbpf]}" ||
		t_bail "svcbpf becomes ready on $node" "$(tail -n 20 "$C_DIR/$node/svcbpf.log")"
}

c_agent_stop() { c_kill "$1" svcbpf "${2:-TERM}"; } # NODE [SIGNAL]

c_svcbpf() { # NODE SUBCOMMAND...
	local node=$1
	shift
	c_node "$node" "$SVCBPF" "$@"
}

# c_proxy_start NODE nftables|iptables - kube-proxy; C_PROXY_PORTS=HEALTHZ,METRICS where svcbpf has its
# usual ones (default 10256,10249).
c_proxy_start() {
	local ports=${C_PROXY_PORTS:-10256,10249}
	c_node "$1" bash -c 'mkdir -p /var/lib/kube-proxy && cat >/var/lib/kube-proxy/config.conf' <<-YAML
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: $2
		hostnameOverride: $1
		clientConnection: {kubeconfig: $C_DIR/kube-proxy.kubeconfig}
		clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
		conntrack: {maxPerCore: 0, min: 0}
		healthzBindAddress: 0.0.0.0:${ports%,*}
		metricsBindAddress: 127.0.0.1:${ports#*,}
		nodePortAddresses: [primary]
	YAML
	c_spawn "$1" kube-proxy "$E_BIN/kube-proxy" --config /var/lib/kube-proxy/config.conf
	t_wait 60 c_node "$1" curl -sf -o /dev/null "http://127.0.0.1:${ports%,*}/healthz" ||
		t_bail "kube-proxy becomes ready on $1" "$(tail -n 10 "$C_DIR/$1/kube-proxy.log")"
}

c_proxy_stop() { c_kill "$1" kube-proxy; } # NODE - its rules stay

c_proxy_cleanup() { # NODE
	c_node "$1" "$E_BIN/kube-proxy" --cleanup --config /var/lib/kube-proxy/config.conf >>"$C_DIR/$1/kube-proxy.log" 2>&1
}
