{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}

{{- /* Labels of every object: one release a cluster, so nothing is named by the release. */ -}}
{{- define "svcbpf.labels" -}}
k8s-app: svcbpf
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "svcbpf.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- /* The port at the end of "ADDRESS:PORT". */ -}}
{{- define "svcbpf.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end }}

{{- /* Its address without brackets; nothing when it stands for all addresses. */ -}}
{{- define "svcbpf.address" -}}
{{- $address := regexReplaceAll ":[0-9]+$" . "" | trimPrefix "[" | trimSuffix "]" -}}
{{- if not (has $address (list "" "0.0.0.0" "::")) }}{{ $address }}{{ end -}}
{{- end }}

{{- /* A probe of the agent: dict "root" $ "path" "/livez". */ -}}
{{- define "svcbpf.probe" -}}
{{- $bind := .root.Values.kubeProxyConfiguration.healthzBindAddress -}}
httpGet:
  path: {{ .path }}
  port: {{ include "svcbpf.port" $bind }}
  {{- with include "svcbpf.address" $bind }}
  host: {{ . | quote }}
  {{- end }}
timeoutSeconds: 5
{{- end }}

{{- /* Refuses what cannot work, with what to do. */ -}}
{{- define "svcbpf.check" -}}
{{- if not (or .Values.apiServer.host .Values.apiServer.urls) -}}
{{- fail "apiServer.host is not set: give the API server's own address, which works without Services (kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes tells it)" -}}
{{- end -}}
{{- if and .Values.apiServer.host .Values.apiServer.urls -}}
{{- fail "apiServer.host and apiServer.urls: give one of them" -}}
{{- end -}}
{{- with lookup "v1" "Service" "default" "kubernetes" -}}
{{- range .spec.clusterIPs -}}
{{- if eq . $.Values.apiServer.host -}}
{{- fail (printf "apiServer.host %s is the ClusterIP of the Service kubernetes, which svcbpf itself makes work: give the API server's own address" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $metrics := include "svcbpf.address" .Values.kubeProxyConfiguration.metricsBindAddress -}}
{{- if and .Values.podMonitor.enabled (or (hasPrefix "127." $metrics) (eq $metrics "::1")) -}}
{{- fail "podMonitor.enabled: Prometheus does not reach metricsBindAddress 127.0.0.1; set kubeProxyConfiguration.metricsBindAddress to 0.0.0.0:10249" -}}
{{- end -}}
{{- end }}
