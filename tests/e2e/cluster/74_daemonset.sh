#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# svcbpf as it is installed: the image and the manifests of scripts/deploy on a cluster without any other
# Service implementation. What a forgotten address of the API server looks like, a rolling update under
# connections, a change of the configuration, the chart, and what is left when all of it is deleted.
set -euo pipefail
C_DATAPLANE=none
# shellcheck source=tests/e2e/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

deploy=$T_ROOT/scripts/deploy
helm=$("$E_HERE/build.sh" --folder helm)/helm || t_bail "helm is built: tests/e2e/build.sh helm"

kubectl() { c_kubectl -n kube-system "$@"; }
installed() { kubectl rollout status ds/svcbpf --timeout "${1:-90}s" >>"$E_DIR/kubectl.log" 2>&1; }
pod_on() { kubectl get pods -l k8s-app=svcbpf --field-selector "spec.nodeName=$1" -o 'jsonpath={.items[*].metadata.name}'; }
why() { kubectl describe pods -l k8s-app=svcbpf | tail -n 12 && kubectl logs -l k8s-app=svcbpf --tail 5; }

# ------------------------------------------------------------------ the image

c_up
export HOME=$T_DIR/home # helm keeps things there
mkdir -p "$HOME"
archive=$C_DIR/svcbpf.tar
image() { # TAG - into all nodes
	"$T_ROOT/scripts/image/archive.sh" "$C_DIR/rootfs" "$archive" "svcbpf:$1" >>"$C_DIR/image.log" 2>&1 ||
		t_bail "the image is made" "$(tail -n 5 "$C_DIR/image.log")"
	for node in "${c_nodes[@]}"; do
		c_import_image "$node" "$archive" || t_bail "$node takes the image" "$(tail -n 3 "$C_DIR/$node/import.log")"
	done
}
"$T_ROOT/scripts/image/rootfs.sh" "$SVCBPF" "$C_DIR/rootfs" >"$C_DIR/image.log" 2>&1 ||
	t_bail "the image's root file system is made" "$(tail -n 5 "$C_DIR/image.log")"
image one
image two

# ------------------------------------------------------------------ the address is forgotten

overlay=$T_DIR/overlay
mkdir "$overlay"
write_overlay() { # TAG API-SERVER [COMPONENT]
	cat >"$overlay/kustomization.yaml" <<-YAML
		resources: [$(realpath --relative-to="$overlay" "$deploy")]
		components: [${3:+$(realpath --relative-to="$overlay" "$deploy/$3")}]
		images: [{name: svcbpf, newTag: "$1"}]
		patches:
		- patch: |
		    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "svcbpf", "namespace": "kube-system"},
		     "data": {"apiServerHost": "$2"}}
	YAML
}
apply() { # TAG API-SERVER [COMPONENT]
	write_overlay "$@"
	kubectl apply -k "$overlay" >>"$E_DIR/kubectl.log" 2>&1
}
log_of() { kubectl logs "$(pod_on "$1")" 2>/dev/null; }
log_has() { log_of "$1" | grep -Eq "$2"; } # NODE PATTERN

apply one "" || t_bail "kubectl apply -k" "$(tail -n 3 "$E_DIR/kubectl.log")"
t_ok "apiServerHost is forgotten: the pod's log says so" t_wait 60 log_has n1 'KUBERNETES_SERVICE_HOST is empty: .*apiServerHost'
t_is "... in one line" "$(log_of n1 | wc -l)" 1
apply one 10.96.0.1
kubectl rollout restart ds/svcbpf >>"$E_DIR/kubectl.log"
t_ok "apiServerHost is the ClusterIP: likewise" t_wait 60 log_has n1 '10.96.0.1 is the ClusterIP of the Service "kubernetes"'

# ------------------------------------------------------------------ installed

apply one 172.18.0.1
kubectl delete pods -l k8s-app=svcbpf --wait=false >>"$E_DIR/kubectl.log"
installed || t_bail "the DaemonSet becomes ready" "$(why)"
t_is "the DaemonSet is ready on all nodes" "$(kubectl get ds svcbpf -o 'jsonpath={.status.numberReady}')" 2
c_dns_up
t_ok "CoreDNS answers, by its Service" _c_dns_answers
in_pod() { # NODE COMMAND...
	kubectl exec "$(pod_on "$1")" -- "${@:2}"
}
# From one table to the next: the kernel's part that is missing by intent.
for node in n1 n2; do
	t_ok "svcbpf status in the pod on $node" t_wait 20 in_pod $node svcbpf status
	t_ok "svcbpf verify in the pod on $node" t_wait 20 in_pod $node svcbpf verify
done
status=$(in_pod n1 svcbpf status -o json)
host_cgroup=$(t_cgroup2_mount) # or /sys/fs/cgroup/unified, on a machine with v1 as well
t_is "it attached to the node's root cgroup, and to its devices" \
	"$(t_json 'd["cgroup"]["path"], len(d["links"]) >= 9, any(i["name"] == "eth0" and i["uplink"] for i in d["devices"])' <<<"$status")" \
	"${host_cgroup/#\/sys\/fs/\/host} True True"
agent=$(c_node n1 pgrep -x svcbpf) || t_bail "one agent runs on n1"
t_is "the capabilities, no_new_privs and the seccomp filter of the agent" \
	"$(c_node n1 grep -E '^(CapPrm|CapBnd|NoNewPrivs|Seccomp):' "/proc/$agent/status" | xargs)" \
	"CapPrm: 000000c000001000 CapBnd: 000000c000001000 NoNewPrivs: 1 Seccomp: 2"
# mount_of PATH - how it is mounted for the agent: ro or rw
# shellcheck disable=SC2016 # awk
mount_of() { c_node n1 awk -v path="$1" '$5 == path { print substr($6, 1, 2) }' "/proc/$agent/mountinfo" | tail -n 1; }
t_is "its root, the cgroups, the bpffs, its state" \
	"$(mount_of /) $(mount_of /host/cgroup) $(mount_of /sys/fs/bpf) $(mount_of /var/lib/svcbpf)" "ro ro rw rw"
# shellcheck disable=SC2016 # Python
t_is "its token: for how long" "$(c_node n1 cat "/proc/$agent/root/run/secrets/kubernetes.io/serviceaccount/token" | python3 -IS -c '
import base64, json, sys
claims = json.loads(base64.urlsafe_b64decode(sys.stdin.read().split(".")[1] + "=="))
print(claims["sub"], claims["exp"] - claims["iat"])')" "system:serviceaccount:kube-system:svcbpf 86400"

# ------------------------------------------------------------------ Services

# The backends tell connloop their address.
install -D "$T_TOOLS/answer" "$C_DIR/tools/answer"
c_kubectl apply -f - >>"$E_DIR/kubectl.log" <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}
      volumes: [{name: tools, hostPath: {path: $C_DIR/tools}}]
      containers:
      - name: web
        image: ${c_images[agnhost]}
        command: [bash, -c, 'exec /tools/answer "\${IPS%,*}:9376" "[\${IPS#*,}]:9376"']
        env: [{name: IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}]
        volumeMounts: [{name: tools, mountPath: /tools}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  selector: {app: web}
  ports: [{port: 80, targetPort: 9376, nodePort: 30080}]
YAML
c_pods_ready default app=web || t_bail "the backends are ready" "$(_c_pods_state default)"
vip=$(c_kubectl get service web -o 'jsonpath={.spec.clusterIPs[0]}')
vip6=$(c_kubectl get service web -o 'jsonpath={.spec.clusterIPs[1]}')
client=$(c_kubectl get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
in_step() { in_pod n1 svcbpf verify && in_pod n2 svcbpf verify; }
t_ok "both nodes are in step" t_wait 20 in_step

# try FACT N RUNNER... TARGET... - 40 connects; N backends answer, where one with two addresses is two.
try() {
	local fact=$1 n=$2 report
	shift 2
	report=$("$@") || :
	t_is "$fact: connects, failures, backends" \
		"$(t_json '*[d[k] for k in ("connects", "failed", "untranslated", "wrong")], len(d["backends"])' <<<"$report")" "40 0 0 0 $n"
}
loop=$T_TOOLS/connloop
try "ClusterIP from a node" 4 c_node n1 "$loop" -n 40 "$vip:80=10.244." "[$vip6]:80=[fd00:10:244:"
try "NodePort from a node" 2 c_node n2 "$loop" -n 40 "${c_ip4[n2]}:30080=10.244."
try "NodePort from outside" 4 c_client "$loop" -n 40 "${c_ip4[n1]}:30080=10.244." "[${c_ip6[n2]}]:30080=[fd00:10:244:"
t_like "ClusterIP from a pod, by its name" "$(c_pod_exec "default/$client" bash -c 'nc -w 2 web 80 </dev/null' 2>&1)" ':9376$'

# ------------------------------------------------------------------ changes under connections

start_loops() { # connects all the while: from a node, from outside
	c_spawn n1 loop "$loop" -n 100000000 -d 600 -t 5000 -r "$(t_scaled 100)" "$vip:80=10.244." "[$vip6]:80=[fd00:10:244:"
	: >"$C_DIR/n1/loop.log"
	c_client "$loop" -n 100000000 -d 600 -t 5000 -r "$(t_scaled 100)" "${c_ip4[n1]}:30080=10.244." "[${c_ip6[n2]}]:30080=[fd00:10:244:" \
		>"$C_DIR/outside.log" 2>&1 &
	outside=$!
}
told() { # FACT LOG
	t_is "$1: connects lost" "$(t_json '*[d[k] for k in ("failed", "untranslated", "wrong")]' <"$2")" "0 0 0"
	t_ok "... of $(t_json 'd["connects"]' <"$2")" [ "$(t_json 'd["connects"]' <"$2")" -ge 100 ]
	[ "$(t_json 'd["ok"] == d["connects"]' <"$2")" = True ] || t_diag "$(<"$2")"
}
end_loops() { # FACT
	c_kill n1 loop
	pkill -TERM -P $outside || kill $outside
	wait $outside 2>/dev/null || :
	told "$1, from a node" "$C_DIR/n1/loop.log"
	told "$1, from outside" "$C_DIR/outside.log"
}

start_loops
apply two 172.18.0.1
installed || t_bail "the rolling update comes to its end" "$(why)"
t_is "rolling update: the image of all agents" "$(kubectl get pods -l k8s-app=svcbpf -o 'jsonpath={.items[*].spec.containers[0].image}')" "svcbpf:two svcbpf:two"
end_loops "rolling update"

restarts() { kubectl get pods -l k8s-app=svcbpf -o 'jsonpath={.items[*].status.containerStatuses[0].restartCount}'; }
has_restarted() { [ "$(restarts)" = "1 1" ]; }
start_loops
kubectl get configmap svcbpf -o json | sed 's/kind: KubeProxyConfiguration/&\\nlogging: {format: json}/' | kubectl apply -f - >>"$E_DIR/kubectl.log" 2>&1
t_ok "a change of the ConfigMap: the agents are started again with it" t_wait 120 has_restarted
t_ok "... and are ready" t_wait 60 c_pods_ready kube-system k8s-app=svcbpf
t_ok "... with it" log_has n1 '^\{.*ready'
end_loops "change of the configuration"

# ------------------------------------------------------------------ deleted, and cleaned up

kubectl delete -k "$overlay" >>"$E_DIR/kubectl.log" 2>&1
is_gone() { [ -z "$(pod_on n1)$(pod_on n2)" ]; }
t_ok "kubectl delete -k" t_wait 60 is_gone
try "what was programmed goes on" 2 c_node n1 "$loop" -n 40 "$vip:80=10.244." "${c_ip4[n1]}:30080=10.244."

# clean_up NODE - with nothing but the image, as the manual says.
clean_up() {
	kubectl debug "node/$1" --profile sysadmin --image svcbpf:two -- \
		/usr/sbin/svcbpf cleanup --pin-dir /host/sys/fs/bpf/svcbpf >>"$E_DIR/kubectl.log" 2>&1
}
debuggers() { kubectl get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.phase}{"\n"}{end}' | grep ^node-debugger; }
are_done() { [ "$(debuggers | grep -c Succeeded)" = 2 ]; }
clean_up n1
clean_up n2
t_ok "svcbpf cleanup by kubectl debug, on both nodes" t_wait 60 are_done || t_diag "$(debuggers)"
for node in n1 n2; do
	t_ok "... no pins on $node" c_node $node test ! -e /sys/fs/bpf/svcbpf
	t_is "... no program on a device" "$(c_node $node "$BPFTOOL" net show dev eth0 | grep -c svc || :)" 0
done
t_is "... nobody answers the ClusterIP" "$(c_node n1 "$loop" -n 1 -t 1000 "$vip:80" | t_json 'd["ok"]')" 0
debuggers | while read -r name _; do kubectl delete pod "$name" --wait=false; done >>"$E_DIR/kubectl.log"

# ------------------------------------------------------------------ the chart

t_ok "helm install" "$helm" --kubeconfig "$E_DIR/admin.kubeconfig" install svcbpf "$deploy/helm/svcbpf" -n kube-system \
	--set "apiServer.host=172.18.0.1,image.tag=one" --wait --timeout 90s
installed || t_bail "the chart's DaemonSet becomes ready" "$(why)"
t_ok "... in step" t_wait 20 in_step
try "ClusterIP from a node" 2 c_node n1 "$loop" -n 40 "$vip:80=10.244."
t_ok "helm uninstall" "$helm" --kubeconfig "$E_DIR/admin.kubeconfig" uninstall svcbpf -n kube-system --wait --timeout 60s
t_ok "... no agent is left" t_wait 60 is_gone
try "... what was programmed goes on" 2 c_node n2 "$loop" -n 40 "$vip:80=10.244."

# ------------------------------------------------------------------ beside kube-proxy, then alone

mode() { c_node n1 curl -s "http://127.0.0.1:$1/proxyMode"; } # PORT
for node in n1 n2; do
	c_proxy_start $node nftables
done
start_loops
apply one 172.18.0.1 beside-kube-proxy
installed || t_bail "the agents become ready beside kube-proxy" "$(why)"
t_is "beside kube-proxy: who has which port" "$(mode 10249) $(mode 10349)" "nftables svcbpf"
t_ok "... in step" t_wait 20 in_step
for node in n1 n2; do
	c_proxy_stop $node
	c_proxy_cleanup $node
done
apply one 172.18.0.1
installed || t_bail "the agents become ready without kube-proxy" "$(why)"
t_is "alone: they have the usual ports" "$(mode 10249) $(c_node n1 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:10256/healthz)" "svcbpf 200"
end_loops "from kube-proxy to svcbpf"
t_done
