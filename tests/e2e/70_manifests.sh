#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What scripts/deploy ships: a real API server accepts it, the chart makes the same, the agent can do its
# work with what it is given and nothing more, alerts and dashboard ask for what the agent tells.
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

deploy=$T_ROOT/scripts/deploy
chart=$deploy/helm/svcbpf
tools=$("$E_HERE/build.sh" --folder kubectl helm) || t_bail "kubectl and helm are built: tests/e2e/build.sh kubectl helm"
for tool in promtool prometheus; do
	command -v $tool >/dev/null || t_bail "$tool is installed: SVCBPF_DEPS=test scripts/deps.sh"
done
export HOME=$T_DIR/home KUBECONFIG=$E_DIR/admin.kubeconfig
account=system:serviceaccount:kube-system:svcbpf
version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$E_HERE/go.mod")
mkdir -p "$HOME"

kubectl() { "$tools/kubectl" "$@"; }
ask() { "$E_HERE/manifests.py" "$@"; }
chart_yaml() { "$tools/helm" template svcbpf "$chart" -n kube-system --kube-version "$version" "$@"; }

# What the server makes of a file of YAML, defaults filled in, without keeping it.
as_server() { kubectl create --dry-run=server --validate=strict -o json -f "$1"; }

is_refused() { # FACT PATTERN COMMAND... - the command fails, and says something like PATTERN
	local fact=$1 pattern=$2 answer status=0
	shift 2
	answer=$("$@" 2>&1) || status=$?
	t_ok "$fact" [ $status -ne 0 ]
	t_like "... and why" "$answer" "$pattern"
}

cat >"$T_DIR/audit.yaml" <<YAML
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: ["$account"]}
- {level: None}
YAML
# Without WatchList the agent lists, as it does at every older server.
e_up --audit-policy-file "$T_DIR/audit.yaml" --audit-log-path "$T_DIR/audit.log" --feature-gates WatchList=false
kubectl delete -f "$deploy/rbac.yaml" >"$T_DIR/rbac.log" 2>&1 || t_bail "what e_up has made is taken away" "$(<"$T_DIR/rbac.log")"

# ------------------------------------------------------------------ plain YAML

kubectl kustomize "$deploy" >"$T_DIR/base.yaml"
t_ok "kustomization: a server accepts each object, strictly" kubectl create --dry-run=server --validate=strict -f "$T_DIR/base.yaml"
sed 's/hostNetwork:/hostNetwrok:/' "$T_DIR/base.yaml" >"$T_DIR/typo.yaml"
is_refused "... with a typo it does not" 'unknown field "spec.template.spec.hostNetwrok"' as_server "$T_DIR/typo.yaml"

overlay=$T_DIR/overlay
mkdir "$overlay"
cat >"$overlay/kustomization.yaml" <<YAML
resources: [$(realpath --relative-to="$overlay" "$deploy")]
images: [{name: svcbpf, newName: registry.example.org/svcbpf, newTag: 9.9.9}]
patches:
- patch: |
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "svcbpf", "namespace": "kube-system"},
     "data": {"apiServerHost": "127.0.0.1", "apiServerPort": "6443"}}
YAML
kubectl kustomize "$overlay" >"$T_DIR/plain.yaml"
t_ok "overlay: created" kubectl create --validate=strict -f "$T_DIR/plain.yaml"
t_is "... objects" "$(kubectl get -f "$T_DIR/plain.yaml" -o name | sort | xargs)" \
	"clusterrole.rbac.authorization.k8s.io/svcbpf clusterrolebinding.rbac.authorization.k8s.io/svcbpf configmap/svcbpf daemonset.apps/svcbpf serviceaccount/svcbpf"
kubectl get -f "$T_DIR/plain.yaml" -o json >"$T_DIR/plain.json"
ask pod "$T_DIR/plain.json" n1 >"$T_DIR/pod.json"
t_ok "the Pod of the template is accepted, strictly" kubectl create --dry-run=server --validate=strict -f "$T_DIR/pod.json"
t_is "... image, priority, QoS" "$(as_server "$T_DIR/pod.json" |
	t_json 'd["spec"]["containers"][0]["image"], d["spec"]["priority"], d["status"]["qosClass"]')" \
	"registry.example.org/svcbpf:9.9.9 2000001000 Burstable"
t_is "... privileges" "$(t_json '(lambda c: (c["privileged"], c["allowPrivilegeEscalation"], c["readOnlyRootFilesystem"], c["capabilities"]))(d["spec"]["containers"][0]["securityContext"])' <"$T_DIR/pod.json")" \
	"(False, False, True, {'add': ['BPF', 'NET_ADMIN', 'PERFMON'], 'drop': ['ALL']})"
kubectl label namespace kube-system pod-security.kubernetes.io/enforce=baseline >/dev/null
is_refused "a namespace with Pod Security \"baseline\" refuses it" 'violates PodSecurity' as_server "$T_DIR/pod.json"
kubectl label --overwrite namespace kube-system pod-security.kubernetes.io/enforce=privileged >/dev/null
t_ok "... \"privileged\" does not" as_server "$T_DIR/pod.json"

cat >>"$overlay/kustomization.yaml" <<YAML
components: [$(realpath --relative-to="$overlay" "$deploy/beside-kube-proxy")]
YAML
kubectl kustomize "$overlay" >"$T_DIR/beside.yaml"
t_ok "beside-kube-proxy: accepted" kubectl apply --dry-run=server --validate=strict -f "$T_DIR/beside.yaml"
t_is "... no port of kube-proxy is left" "$(grep -cE '10256|10249' "$T_DIR/beside.yaml")" 0
t_is "... all probes have the other one" "$(grep -cE '^ +port: 10356$' "$T_DIR/beside.yaml")" 3

# ------------------------------------------------------------------ the agent with what its Pod has

# Token, CA and environment as kubelet brings them; the three capabilities; the arguments of the
# DaemonSet, but for the paths that are this test's own.
token_folder=/run/secrets/kubernetes.io/serviceaccount
mkdir -p $token_folder "$T_DIR/etc"
[ /var/run -ef /run ] || t_bail "/var/run is /run"
kubectl -n kube-system create token svcbpf >$token_folder/token
cp "$E_DIR/pki/ca.crt" $token_folder/ca.crt
kubectl -n kube-system get configmap svcbpf -o json | t_json 'd["data"]["config.yaml"]' >"$T_DIR/etc/config.yaml"
mapfile -t arguments < <(t_json '"\n".join(d["spec"]["containers"][0]["args"])' <"$T_DIR/pod.json")
arguments=("${arguments[@]/#--config=*/--config=$T_DIR/etc/config.yaml}")
arguments+=(--cgroup "$T_CGROUP")
# shellcheck disable=SC2054 # commas of setpriv
three=(setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+bpf,+net_admin,+perfmon --)

# in_pod HOST [COMMAND...] - run the agent so, with KUBERNETES_SERVICE_HOST as given.
in_pod() {
	local host=$1
	shift
	export KUBERNETES_SERVICE_HOST=$host KUBERNETES_SERVICE_PORT=6443 KUBERNETES_PORT=tcp://10.96.0.1:443 NODE_NAME=n1
	"$@" "${three[@]}" "$SVCBPF" "${arguments[@]}" --pin-dir "$T_PINS" --state-dir "$T_DIR/state"
}

# without_bpf COMMAND... - under a seccomp filter that refuses bpf(2), as runtimes have that do not know
# CAP_BPF: load the number of the system call, compare, EPERM or go on.
without_bpf() {
	exec python3 -IS -c '
import ctypes, os, platform, struct, sys
number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0): # no_new_privs, a filter
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

says_one_line() { # FACT PATTERN HOST [COMMAND...] - the last: in front of the agent
	local answer status=0
	answer=$(in_pod "${@:3}" 2>&1) || status=$?
	t_is "$1: exit status and lines" "$status $(wc -l <<<"$answer")" "1 1"
	t_like "... and why" "$answer" "$2"
	t_ok "... nothing is pinned" [ ! -e "$T_PINS" ]
}
says_one_line "apiServerHost is forgotten" 'run: KUBERNETES_SERVICE_HOST is empty: set .*apiServerHost of the ConfigMap svcbpf' ''
says_one_line "apiServerHost is the ClusterIP" '10\.96\.0\.1 is the ClusterIP of the Service "kubernetes".*apiServerHost' 10.96.0.1
says_one_line "the runtime's seccomp profile does not know CAP_BPF" 'bpf\(2\) is refused although CAP_BPF is there: a seccomp filter' \
	127.0.0.1 without_bpf
while mountpoint -q /sys/fs/bpf; do umount /sys/fs/bpf; done # of this test's mount namespace
T_PINS=/sys/fs/bpf/svcbpf says_one_line "the node has no bpffs, and the Pod may not mount one" \
	'no bpffs on /sys/fs/bpf: run: mount -t bpf bpf /sys/fs/bpf \(in a pod: on its node\)' 127.0.0.1

sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
t_pod pod-a 10.244.0.7 fd00:244::7
e_stable
in_pod 127.0.0.1 exec >"$T_DIR/agent.log" 2>&1 &
t_agent_pid=$!
t_wait_line 60 "$T_DIR/agent.log" ' ready$' $t_agent_pid || t_bail "the agent is ready with the account, arguments and capabilities of its Pod"
t_is "three capabilities are enough: a Service answers" "$(t_name 10.96.0.10:80 | sed 's/[12]:8080//')" 10.244.0.
t_is "... it has no other" "$(sed -nE 's/^Cap(Prm|Bnd):\t0*//p' "/proc/$t_agent_pid/status" | sort -u)" "$(printf '%x' $((1 << 12 | 1 << 38 | 1 << 39)))"
for path in livez healthz; do
	t_is "the probes' answer: /$path" "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:10256/$path")" 200
done
t_ok "svcbpf status, with the same capabilities" "${three[@]}" "$SVCBPF" status --pin-dir "$T_PINS"
t_ok "svcbpf verify, with the Pod's account" env KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=6443 NODE_NAME=n1 \
	"${three[@]}" "$SVCBPF" verify --pin-dir "$T_PINS"

has_asked() { ask audit "$T_DIR/audit.log" "$account" | grep -qx "$1"; }
t_wait 20 has_asked 'create events.events.k8s.io' || :
ask rules "$T_DIR/plain.json" >"$T_DIR/granted"
t_is "the ClusterRole grants what the agent asks for, no more and no less" "$(ask audit "$T_DIR/audit.log" "$account")" "$(<"$T_DIR/granted")"
t_is "the API server has refused it nothing" "$(grep -c '"code":40[13]' "$T_DIR/audit.log")" 0
for who in "$account" system:serviceaccount:kube-system:another; do
	kubectl auth can-i --list --as="$who" --as-group=system:serviceaccounts --as-group=system:authenticated >"$T_DIR/can-i"
	ask allowed "$T_DIR/can-i" >"$T_DIR/can-${who##*:}"
done
t_is "kubectl auth can-i --list: it may do that more than any account" \
	"$(comm -23 "$T_DIR/can-svcbpf" "$T_DIR/can-another")" "$(<"$T_DIR/granted")"
for question in "get secrets" "list pods" "update services" "patch nodes" "get configmaps" "delete endpointslices.discovery.k8s.io"; do
	# shellcheck disable=SC2086 # two words
	t_is "can-i $question" "$(kubectl auth can-i $question --as="$account" -n kube-system 2>/dev/null || :)" no
done

# ------------------------------------------------------------------ what Prometheus makes of it

t_ok "promtool check rules" promtool check rules "$deploy/monitoring/rules.yaml"
cp "$E_HERE/alerts.yaml" "$deploy/monitoring/rules.yaml" "$T_DIR/"
t_ok "promtool test rules: what raises which alert" promtool test rules "$T_DIR/alerts.yaml"
sed 's/svcbpf_selftest_passed == 0/svcbpf_selftest_passed == 2/' "$deploy/monitoring/rules.yaml" >"$T_DIR/rules.yaml"
t_ok "... and it would see a rule that is wrong" bash -c "! promtool test rules '$T_DIR/alerts.yaml'"
cat >"$T_DIR/prometheus.yml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$deploy/monitoring/rules.yaml"]
scrape_configs:
- {job_name: svcbpf, static_configs: [{targets: ["127.0.0.1:10249"]}]}
YAML
prometheus --config.file="$T_DIR/prometheus.yml" --storage.tsdb.path="$T_DIR/prometheus" \
	--web.listen-address=127.0.0.1:9090 >"$T_DIR/prometheus.log" 2>&1 &
prometheus_has() { curl -sfG http://127.0.0.1:9090/api/v1/query --data-urlencode "query=$1" | grep -q '"value"'; }
t_wait 30 prometheus_has 'rate(svcbpf_build_info[20s])' || t_bail "Prometheus has scraped the agent twice" "$(tail -n 5 "$T_DIR/prometheus.log")"
t_wait 10 prometheus_has 'sum(svcbpf_device_packets_total)' || :
t_tap "$E_HERE/monitoring.py" http://127.0.0.1:9090 "$deploy/monitoring/svcbpf.json"
t_stop_agent

# ------------------------------------------------------------------ Helm

host=apiServer.host=127.0.0.1
image=image.repository=registry.example.org/svcbpf,image.tag=9.9.9
t_ok "helm lint" "$tools/helm" lint --strict "$chart" --set $host
kubectl delete -f "$T_DIR/plain.yaml" >/dev/null
as_server "$T_DIR/plain.yaml" >"$T_DIR/plain.json"
chart_yaml --set $host,$image >"$T_DIR/chart.yaml"
t_ok "helm template: a server accepts each object, strictly" as_server "$T_DIR/chart.yaml"
as_server "$T_DIR/chart.yaml" >"$T_DIR/chart.json"
t_is "the chart makes what the kustomization makes" "$(ask differ "$T_DIR/plain.json" "$T_DIR/chart.json")" "5 and 5 objects"
chart_yaml --set $host,$image,hostPID=true >"$T_DIR/other.yaml"
as_server "$T_DIR/other.yaml" >"$T_DIR/other.json"
t_is "... and one of its values makes a difference" "$(ask differ "$T_DIR/plain.json" "$T_DIR/other.json")" \
	$'+ DaemonSet kube-system/svcbpf .spec.template.spec.hostPID=true\n5 and 5 objects'

cat >"$T_DIR/values.yaml" <<'YAML'
apiServer: {urls: ["https://10.0.0.1:6443", "https://[fd00::1]:6443"]}
image: {repository: registry.example.org/svcbpf, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
imagePullSecrets: [{name: registry}]
kubeProxyConfiguration: {healthzBindAddress: "[fd00::5]:10356", metricsBindAddress: "0.0.0.0:9999", nodePortAddresses: [primary]}
extraArgs: [--max-services=100000, --algorithm=maglev]
cgroupRoot: /cgroup2
resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}
tolerations: []
nodeSelector: {svcbpf: "yes"}
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
priorityClassName: ""
updateStrategy: {type: OnDelete}
podAnnotations: {a: b}
podLabels: {team: network}
extraCapabilities: [SYS_RESOURCE]
seccompProfile: {type: Unconfined}
seLinuxOptions: null
podMonitor: {enabled: true, labels: {release: monitoring}}
prometheusRule: {enabled: true}
dashboard: {enabled: true}
YAML
chart_yaml -f "$T_DIR/values.yaml" >"$T_DIR/chart.yaml"
t_ok "helm template with other values: accepted, strictly" bash -c \
	"sed '/^apiVersion: monitoring.coreos.com/,/^---/d' '$T_DIR/chart.yaml' | '$tools/kubectl' create --dry-run=server --validate=strict -f -"
for line in '--server=https://\[fd00::1\]:6443' '"--algorithm=maglev"' 'host: "fd00::5"' 'port: 10356' 'containerPort: 9999' \
	'path: "/cgroup2"' 'type: OnDelete' 'team: network' 'kind: PodMonitor' 'alert: SvcbpfAgentDown' \
	'"title": "svcbpf"' 'nodePortAddresses:' '@sha256:0123' 'interval: 30s'; do
	t_like "... in it: $line" "$(<"$T_DIR/chart.yaml")" "$line"
done
t_is "... not in it" "$(grep -cE 'KUBERNETES_SERVICE_HOST|seLinuxOptions|priorityClassName|rollingUpdate|tolerations' "$T_DIR/chart.yaml")" 0
sed -n '/^kind: PrometheusRule/,/^---/p' "$T_DIR/chart.yaml" | sed '1,/^spec:/d; /^---/d; s/^  //' >"$T_DIR/chart-rules.yaml"
t_like "... its alert rules can be read" "$(promtool check rules "$T_DIR/chart-rules.yaml" 2>&1)" 'SUCCESS: [0-9]+ rules'

while IFS='|' read -r value pattern; do
	is_refused "refused: $value" "$pattern" chart_yaml --set "$value"
done <<VALUES
image.pullPolicy=Always|apiServer.host is not set: give the API server's own address
$host,apiServer.urls={https://a:1}|give one of them
apiServer.host=https://10.0.0.1|/apiServer/host
apiServer.host=10.0.0.1:6443|/apiServer/host
$host,apiServer.port=70000|/apiServer/port
$host,apiServer.prot=1|'prot' not allowed
$host,hostNetwork=false|'hostNetwork' not allowed
$host,extraArgs={max-services}|/extraArgs/0
$host,extraCapabilities={SYS_MODULE}|/extraCapabilities/0
$host,seccompProfile.type=None|/seccompProfile/type
$host,image.digest=sha256:12|/image/digest
$host,kubeProxyConfiguration.healthzBindAddress=|/kubeProxyConfiguration/healthzBindAddress
$host,updateStrategy.type=Recreate|/updateStrategy/type
$host,podMonitor.enabled=true|podMonitor.enabled: Prometheus does not reach
VALUES

k_apply <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec:
  clusterIP: 10.96.0.1
  ports: [{name: https, port: 443, targetPort: 6443}]
YAML
is_refused "helm install with the ClusterIP of the API" '10.96.0.1 is the ClusterIP of the Service kubernetes' \
	"$tools/helm" install svcbpf "$chart" -n kube-system --set apiServer.host=10.96.0.1
t_ok "helm install" "$tools/helm" install svcbpf "$chart" -n kube-system --set $host
t_ok "helm upgrade: agents are started again for another API server" bash -c \
	"'$tools/helm' upgrade svcbpf '$chart' -n kube-system --set apiServer.host=127.0.0.2 &&
		'$tools/kubectl' -n kube-system get ds svcbpf -o yaml | grep -q 'svcbpf.io/api-server: 127.0.0.2 6443'"
t_ok "helm uninstall" "$tools/helm" uninstall svcbpf -n kube-system
t_is "... nothing is left" "$(kubectl get -f "$T_DIR/plain.yaml" -o name --ignore-not-found)" ""
t_done
