{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- define "kxlab.labels" -}}
app.kubernetes.io/name: kxlab
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The number of shards: the plan's, or that of the values. */ -}}
{{- define "kxlab.shards" -}}
{{- if .Values.plan -}}
{{- $plan := fromJson .Values.plan -}}
{{- if ne (toString $plan.tool) "kxlab plan" }}{{ fail "plan is not a file of kxlab plan" }}{{ end -}}
{{- int $plan.shards -}}
{{- else -}}
{{- if not .Values.experiments }}{{ fail "set plan (--set-file plan=plan.json) or experiments" }}{{ end -}}
{{- .Values.shards -}}
{{- end -}}
{{- end }}

{{- define "kxlab.claim" -}}
{{- default (printf "%s-results" .Release.Name) .Values.results.existingClaim -}}
{{- end }}

{{- /* A folder of the results, shards, shards/N or merged/N, with its name and the query of the URL behind. In a registry shards are tags of the
repository, and get without a tag takes all; so merged runs are tags of another. */ -}}
{{- define "kxlab.place" -}}
{{- $parts := splitn "?" 2 .root.Values.results.url -}}
{{- $url := trimSuffix "/" $parts._0 -}}
{{- $query := ternary (printf "?%s" $parts._1) "" (not (empty $parts._1)) -}}
{{- if hasPrefix "oci://" $url -}}
{{- $url }}{{ trimPrefix "shards" .folder | replace "merged/" "-merged:" | replace "/" ":shard-" }}{{ $query -}}
{{- else if $url -}}
{{- $url }}/{{ .folder }}{{ $query -}}
{{- else -}}
/results/{{ .root.Release.Name }}/{{ .folder }}
{{- end -}}
{{- end }}

{{- define "kxlab.pod" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false # variables such as KXLAB_PORT are no settings of kxlab
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- if eq .Values.target "exact" }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}
volumes:
  - name: work
    emptyDir: {}
  - name: tmp
    emptyDir: {}
{{- if not .Values.results.url }}
  - name: results
    persistentVolumeClaim: {claimName: {{ include "kxlab.claim" . }}}
{{- end }}
{{- if .Values.plan }}
  - name: plan
    configMap: {name: {{ .Release.Name }}-plan}
{{- end }}
{{- with .Values.results.dockerConfig }}
  - name: docker
    secret: {secretName: {{ . }}, items: [{key: .dockerconfigjson, path: config.json}]}
{{- end }}
{{- end }}

{{- define "kxlab.env" -}}
- {name: KXLAB_CACHE, value: /var/lib/kxlab/cache}
{{- if .Values.results.dockerConfig }}
- {name: DOCKER_CONFIG, value: /docker}
{{- end }}
{{- end }}

{{- define "kxlab.container" -}}
image: {{ .Values.image }}
workingDir: /var/lib/kxlab
resources: {{ toJson .Values.resources }}
{{- with .Values.results.secret }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- if eq .Values.target "exact" }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- else }}
securityContext: {privileged: true, runAsUser: 0}
{{- end }}
volumeMounts:
  - {name: work, mountPath: /var/lib/kxlab}
  - {name: tmp, mountPath: /tmp}
{{- if not .Values.results.url }}
  - {name: results, mountPath: /results}
{{- end }}
{{- if .Values.plan }}
  - {name: plan, mountPath: /plan, readOnly: true}
{{- end }}
{{- if .Values.results.dockerConfig }}
  - {name: docker, mountPath: /docker, readOnly: true}
{{- end }}
{{- end }}
