{{- /* What the user may set, with what the chart itself knows. */ -}}
{{- define "weir.config" -}}
{{- $worker := dict "stateClaim" .Values.stateClaim.name "image" (default (include "weir.image" .) .Values.config.worker.image) -}}
{{- if and (not .Values.config.worker.image) (not .Values.config.worker.imagePullPolicy) -}}
{{- $_ := set $worker "imagePullPolicy" .Values.image.pullPolicy -}}
{{- end -}}
{{- $scope := ternary (dict "allNamespaces" true) (dict "namespaces" .Values.watchNamespaces) .Values.watchAllNamespaces -}}
{{- $own := dict "metricsBind" ":8081" "tokenKeyFile" "/etc/weir/worker-key/key" "worker" $worker -}}
{{- mergeOverwrite (deepCopy .Values.config) $scope $own | toYaml -}}
{{- end -}}
