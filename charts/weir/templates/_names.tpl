{{- define "weir.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 50 characters, so that every suffix of an object's name fits into 63. */ -}}
{{- define "weir.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "weir.operatorName" -}}
{{- include "weir.fullname" . }}-operator
{{- end -}}

{{- define "weir.selectorLabels" -}}
app.kubernetes.io/name: {{ include "weir.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "weir.labels" -}}
app.kubernetes.io/name: {{ include "weir.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "weir.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "weir.operatorName" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is false: set serviceAccount.name to an account in the release's namespace" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "weir.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if .Values.image.digest -}}
{{- printf "%s:%s@%s" .Values.image.repository $tag .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- end -}}
{{- end -}}

{{- /* A JSON object with the list, because a template can only give text. */ -}}
{{- define "weir.namespaces" -}}
{{- dict "names" (default (list .Release.Namespace) .Values.watchNamespaces | uniq) | toJson -}}
{{- end -}}

{{- /* Labels that the operator puts on every worker pod. */ -}}
{{- define "weir.workerLabels" -}}
weir.dev/component: worker
app.kubernetes.io/managed-by: weir
{{- end -}}

{{- define "weir.workerKeySecret" -}}
{{- if .Values.workerKey.existingSecret -}}
{{- .Values.workerKey.existingSecret -}}
{{- else if .Values.workerKey.create -}}
{{- include "weir.fullname" . }}-worker-key
{{- else -}}
{{- fail "workerKey.create is false: set workerKey.existingSecret to a Secret in the release's namespace" -}}
{{- end -}}
{{- end -}}
