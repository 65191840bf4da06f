# What a cluster's number decides: its names, addresses and folders. Several clusters run side by side on one machine.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
MAX_CLUSTER=49
# Not in the tree: numbers are the machine's, so that two checkouts do not take the same one.
CLUSTERS=${WEIR_CLUSTERS:-/var/tmp/weir-clusters}
# No proxy leads to the node.
export NO_PROXY="${NO_PROXY:+$NO_PROXY,}10.0.0.0/8" no_proxy="${no_proxy:+$no_proxy,}10.0.0.0/8"

settings() { # number
  CLUSTER=$1
  [[ $CLUSTER =~ ^[0-9]+$ ]] && [ "$CLUSTER" -le $MAX_CLUSTER ] ||
    { echo "CLUSTER must be a number from 0 to $MAX_CLUSTER, and is '$CLUSTER'" >&2; exit 2; }
  STATE=$CLUSTERS/$CLUSTER
  RUN=$STATE/run LOG=$STATE/log PKI=$STATE/pki
  NODE=node-1
  LINK=weir$CLUSTER  # the host's end of the node's cable
  CGROUP=weir$CLUSTER
  HOST_IP=10.200.$CLUSTER.1
  NODE_IP=10.200.$CLUSTER.2
  PODS=10.$((100 + CLUSTER)).0.0/16
  SERVICES=10.$((150 + CLUSTER)).0.0/16
  FIRST_SERVICE=10.$((150 + CLUSTER)).0.1
  DNS_IP=10.$((150 + CLUSTER)).0.10
  VOLUMES=$STATE/volumes
  KUBECONFIG_COPY=$REPOSITORY/.weir/cluster/$CLUSTER.kubeconfig
  ADMIN=$STATE/admin.kubeconfig
  CONTAINERD=/run/containerd/containerd.sock # inside the node's own /run
}

binaries() { # built once; a cache hit takes a few milliseconds
  KUBE=$(bash "$REPOSITORY/scripts/servers/build-go.sh" kube)
  PAUSE=$(bash "$REPOSITORY/scripts/servers/build-go.sh" pause)
  COREDNS=$(bash "$REPOSITORY/scripts/servers/build-go.sh" coredns)
}

kubectl() { "$KUBE" kubectl --kubeconfig "$ADMIN" "$@"; }

now() { date +%s%3N; }

# Runs a command until it succeeds; after so many seconds says what did not happen.
wait_until() { # seconds what command...
  local seconds=$1 what=$2 end
  shift 2
  end=$(($(now) + seconds * 1000))
  until "$@" >/dev/null 2>&1; do
    [ "$(now)" -lt $end ] || { echo "not within $seconds s: $what" >&2; return 1; }
    sleep 0.05
  done
}
