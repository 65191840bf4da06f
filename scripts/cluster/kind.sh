#!/usr/bin/env bash
# The same tests where Docker and KinD are: `make kind-up && make e2e CLUSTER=kind && make kind-down`.
# usage: kind.sh up|down
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export KUBECONFIG=$PWD/.weir/cluster/kind.kubeconfig
for tool in docker kind; do
  command -v $tool >/dev/null || { echo "$tool is not there; without Docker there is \`make cluster-up\`" >&2; exit 1; }
done
docker info >/dev/null 2>&1 || { echo "docker is there, and its daemon does not answer; without it there is \`make cluster-up\`" >&2; exit 1; }
case ${1:-} in
  up)
    mkdir -p .weir/cluster .weir/kind/volumes
    kind get clusters | grep -qx weir || kind create cluster --config config/kind/cluster.yaml --wait 120s
    kind load image-archive dist/weir.tar --name weir
    echo "export KUBECONFIG=$KUBECONFIG"
    ;;
  down)
    kind delete cluster --name weir
    rm -rf "$KUBECONFIG" .weir/kind
    ;;
  *) echo "usage: kind.sh up|down" >&2; exit 2 ;;
esac
