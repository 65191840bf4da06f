# etcd, API server, controller manager and scheduler. Each start_… may be called again; it does nothing while it runs.

start_etcd() { # without fsync: the data lives as long as the cluster
  spawn etcd "$KUBE" etcd --name=default --data-dir="$STATE/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
    --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \
    --initial-cluster=default=http://127.0.0.1:2380 --auto-compaction-mode=revision --auto-compaction-retention=20000
}

start_apiserver() {
  spawn apiserver env GOGC=75 "$KUBE" apiserver --etcd-servers=http://127.0.0.1:2379 \
    --bind-address=0.0.0.0 --advertise-address="$NODE_IP" --secure-port=6443 --service-cluster-ip-range="$SERVICES" \
    --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --cert-dir="$PKI" \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$PKI/accounts.key" --service-account-signing-key-file="$PKI/accounts.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true --profiling=false \
    --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP,Hostname \
    --requestheader-client-ca-file="$PKI/front-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file="$PKI/front.crt" \
    --proxy-client-key-file="$PKI/front.key" --enable-aggregator-routing=true \
    --audit-policy-file="$HERE/manifests/audit-policy.yaml" --audit-log-path="$LOG/audit.jsonl" --audit-log-format=json
}

await_apiserver() { wait_until 120 "a ready API server ($LOG/apiserver.log)" answers https://$NODE_IP:6443/readyz --cacert "$PKI/ca.crt"; }

# Only a ready API server: without its own roles the controller manager ends again.
start_controllers() {
  local as=$STATE/controllers.kubeconfig
  spawn controllers "$KUBE" controller-manager --kubeconfig="$as" --authentication-kubeconfig="$as" --authorization-kubeconfig="$as" \
    --bind-address=127.0.0.1 --cert-dir="$STATE/controllers" --leader-elect=false --use-service-account-credentials=true \
    --service-account-private-key-file="$PKI/accounts.key" --root-ca-file="$PKI/ca.crt" \
    --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" --allocate-node-cidrs=true \
    --cluster-cidr="$PODS" --service-cluster-ip-range="$SERVICES" --kube-api-qps=300 --kube-api-burst=600 --profiling=false
}

start_scheduler() {
  local as=$STATE/scheduler.kubeconfig
  spawn scheduler "$KUBE" scheduler --kubeconfig="$as" --authentication-kubeconfig="$as" --authorization-kubeconfig="$as" \
    --bind-address=127.0.0.1 --cert-dir="$STATE/scheduler" --leader-elect=false --kube-api-qps=300 --kube-api-burst=600 --profiling=false
}

control_plane_up() {
  start_etcd
  start_apiserver
  await_apiserver
  start_controllers
  start_scheduler
  # A pod is refused before this exists.
  wait_until 60 "the ServiceAccount default/default ($LOG/controllers.log)" kubectl get serviceaccount default -n default
}

answers() { local url=$1; shift; curl -fsS -o /dev/null --max-time 2 --noproxy '*' "$@" "$url"; }
