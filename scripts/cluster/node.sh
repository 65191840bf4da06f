# containerd, kubelet and kube-proxy.

node_files() {
  mkdir -p "$STATE"/{cni,containerd,kubelet,var-log}
  echo "nameserver $DNS_IP" >"$STATE/resolv.conf"
  containerd_file >"$STATE/containerd.toml"
  network_file >"$STATE/cni/10-weir.conflist"
  kubelet_file >"$STATE/kubelet.yaml"
  proxy_file >"$STATE/proxy.yaml"
}

# Layers are stacked by overlayfs, which cannot be put on another overlayfs (a container's root, say).
snapshotter() {
  local on
  on=$(stat -f -c %T "$STATE")
  [ "$on" = overlayfs ] && echo native || echo overlayfs
}

containerd_file() {
  cat <<TOML
version = 2
root = "$STATE/containerd/root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "$CONTAINERD"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:1"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$STATE/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "$(snapshotter)"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
TOML
}

network_file() {
  cat <<JSON
{"cniVersion": "0.4.0", "name": "weir", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "${PODS%.0.0/16}.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni"}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
}

# No image is ever collected: there is no registry to fetch it from again.
kubelet_file() {
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
containerRuntimeEndpoint: unix://$CONTAINERD
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $STATE/resolv.conf
volumePluginDir: $STATE/kubelet/plugins-exec
failSwapOn: false
serializeImagePulls: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}
nodeStatusUpdateFrequency: 5s
kubeAPIQPS: 100
kubeAPIBurst: 200
eventRecordQPS: 0
YAML
}

proxy_file() {
  cat <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $STATE/proxy.kubeconfig}
mode: iptables
clusterCIDR: $PODS
hostnameOverride: $NODE
conntrack: {maxPerCore: 0}
iptables: {minSyncPeriod: 100ms}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
YAML
}

start_containerd() { spawn containerd containerd --config "$STATE/containerd.toml"; }
await_containerd() { wait_until 60 "a ready containerd ($LOG/containerd.log)" inside ctr -a "$CONTAINERD" version; }

start_kubelet() {
  spawn kubelet "$KUBE" kubelet --config="$STATE/kubelet.yaml" --kubeconfig="$STATE/node.kubeconfig" --root-dir="$STATE/kubelet" \
    --cert-dir="$PKI" --hostname-override="$NODE" --node-ip="$NODE_IP"
}

start_proxy() { spawn proxy "$KUBE" proxy --config="$STATE/proxy.yaml"; }

await_node() {
  wait_until 120 "the node $NODE ($LOG/kubelet.log)" kubectl get node "$NODE"
  kubectl wait --for=condition=Ready "node/$NODE" --timeout=120s >/dev/null
}
