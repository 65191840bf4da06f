# The cluster's certificates and kubeconfigs. EC P-256, because RSA keys would take seconds.

certificates() {
  [ -e "$PKI/done" ] && return 0 # a new authority under a running cluster would break it
  local names="IP:127.0.0.1,IP:$NODE_IP,IP:$FIRST_SERVICE,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  private_key accounts # signs ServiceAccount tokens
  authority ca kubernetes-ca
  authority front-ca front-proxy-ca
  certificate apiserver ca /CN=kube-apiserver serverAuth "$names"
  certificate front front-ca /CN=front-proxy-client clientAuth
  certificate kubelet-client ca /O=system:masters/CN=apiserver-kubelet-client clientAuth
  certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE" serverAuth "DNS:$NODE,IP:$NODE_IP"
  local client
  for client in admin:/O=system:masters/CN=admin controllers:/CN=system:kube-controller-manager scheduler:/CN=system:kube-scheduler \
    proxy:/CN=system:kube-proxy "node:/O=system:nodes/CN=system:node:$NODE"; do
    certificate "${client%%:*}" ca "${client#*:}" clientAuth
    kubeconfig "${client%%:*}"
  done
  touch "$PKI/done"
}

private_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/$1.key"; }

authority() { # name common-name
  private_key "$1"
  openssl req -x509 -new -key "$PKI/$1.key" -subj "/CN=$2" -days 365 -out "$PKI/$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
}

certificate() { # name authority subject usage [alternative names]
  private_key "$1"
  openssl req -new -key "$PKI/$1.key" -subj "$3" -out "$PKI/$1.csr"
  openssl x509 -req -in "$PKI/$1.csr" -CA "$PKI/$2.crt" -CAkey "$PKI/$2.key" -CAcreateserial -days 365 -out "$PKI/$1.crt" -extfile <(
    printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n%s\n' "$4" "${5:+subjectAltName=$5}"
  ) 2>/dev/null
  rm "$PKI/$1.csr"
}

# Everything inline, so that a copy works from anywhere.
kubeconfig() { # name
  local inline="base64 -w0"
  cat >"$STATE/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: weir-$CLUSTER
clusters: [{name: weir-$CLUSTER, cluster: {server: "https://$NODE_IP:6443", certificate-authority-data: $($inline "$PKI/ca.crt")}}]
users: [{name: $1, user: {client-certificate-data: $($inline "$PKI/$1.crt"), client-key-data: $($inline "$PKI/$1.key")}}]
contexts: [{name: weir-$CLUSTER, context: {cluster: weir-$CLUSTER, user: $1}}]
YAML
  chmod 600 "$STATE/$1.kubeconfig"
}
