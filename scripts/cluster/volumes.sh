# Volumes for claims: folders of this machine, as many as a day of tests needs. Any claim that names no class, or
# weir-local, gets one; ReadWriteMany works because there is one node.
VOLUME_COUNT=24

volumes() { # the manifests
  cat <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: weir-local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: Immediate
reclaimPolicy: Retain
YAML
  local i
  for i in $(seq $VOLUME_COUNT); do
    # A local volume, unlike a hostPath one, is given to the pod's fsGroup by the kubelet.
    mkdir -p "$VOLUMES/volume-$i"
    cat <<YAML
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume-$i}
spec:
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce, ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: weir-local
  local: {path: $VOLUMES/volume-$i}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$NODE]}]}]}}
YAML
  done
}
