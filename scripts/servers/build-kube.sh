#!/usr/bin/env bash
# Builds one binary with etcd, the API server, the controller manager, the scheduler, the kubelet and kubectl into the
# cache folder (WEIR_CACHE, default ~/.cache/weir), keyed by what it is built from. The last line printed is its path.
set -euo pipefail
cd "$(dirname "$0")/kube"
VERSION=v$(sed -n 's#^\tk8s.io/kubernetes v\(.*\)$#\1#p' go.mod)
KEY=$VERSION-$(cat go.mod main.go | sha256sum | cut -c1-12)
OUT=${WEIR_CACHE:-$HOME/.cache/weir}/kube/$KEY
[ -x "$OUT/kube" ] && { echo "$OUT/kube"; exit 0; }
command -v go >/dev/null || {
  echo "The tests run a real Kubernetes API server, which is built with Go 1.24 or newer, and there is no 'go' in PATH." >&2
  echo "Install it from https://go.dev/dl (or your distribution's golang package), then run this again: $0" >&2
  exit 1
}
mkdir -p "$OUT"
exec 9>"$OUT.lock"
flock 9 # a second run waits for the first and then finds the binary
[ -x "$OUT/kube" ] && { echo "$OUT/kube"; exit 0; }
echo "building Kubernetes $VERSION (about 8 minutes the first time)…" >&2
MAJOR=${VERSION#v}; MAJOR=${MAJOR%%.*}; MINOR=${VERSION#v*.}; MINOR=${MINOR%%.*}
LD="-s -w -X k8s.io/component-base/version.gitVersion=$VERSION -X k8s.io/component-base/version.gitMajor=$MAJOR -X k8s.io/component-base/version.gitMinor=$MINOR"
CGO_ENABLED=0 go build -ldflags "$LD" -o "$OUT/kube.part" .
mv "$OUT/kube.part" "$OUT/kube"
echo "$OUT/kube"
