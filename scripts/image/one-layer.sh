#!/usr/bin/env bash
# Packs one layer as an OCI image archive that names itself when it is imported.
# usage: one-layer.sh OUT.tar NAME:TAG LAYER.tar 'CONFIG as JSON'
set -euo pipefail
out=$(realpath -m "$1") name=$2 layer=$3 config=$4
case $(uname -m) in x86_64) architecture=amd64 ;; aarch64) architecture=arm64 ;; *) architecture=$(uname -m) ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/blobs/sha256"

digest() { sha256sum "$1" | cut -d' ' -f1; }
store() { # file → its digest
  local sum
  sum=$(digest "$1")
  mv "$1" "$work/blobs/sha256/$sum"
  echo "$sum"
}
size() { stat -c %s "$work/blobs/sha256/$1"; }

cp "$layer" "$work/blob"
layer=$(store "$work/blob")
cat >"$work/blob" <<JSON
{"architecture":"$architecture","os":"linux","config":$config,"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
JSON
config=$(store "$work/blob")
cat >"$work/blob" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(size "$config")},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$layer","size":$(size "$layer")}]}
JSON
manifest=$(store "$work/blob")
cat >"$work/index.json" <<JSON
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest","size":$(size "$manifest"),"annotations":{"io.containerd.image.name":"$name","org.opencontainers.image.ref.name":"${name##*:}"}}]}
JSON
echo '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
tar -C "$work" -cf "$out" oci-layout index.json blobs
