#!/usr/bin/env bash
# Builds the image from the Dockerfile and writes it to dist/weir.tar: with docker or podman where one of them runs, else
# with buildah on a base made here (base.sh), which reaches no image registry.
# usage: [IMAGE=NAME:TAG] [ROCKSDB=0] [BASE=local|IMAGE] [BUILDER=docker|podman|buildah] build.sh
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$HERE/../.."
VERSION=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
IMAGE=${IMAGE:-localhost/weir:$VERSION}
OUT=${OUT:-dist/weir.tar}
PART=$OUT.$$ # two may build at once
trap 'rm -f "$PART"' EXIT
CACHE=${WEIR_CACHE:-$HOME/.cache/weir}/image

builder() {
  local name
  for name in docker podman; do
    command -v $name >/dev/null && $name info >/dev/null 2>&1 && { echo $name; return; }
  done
  bash scripts/servers/packages.sh buildah mmdebstrap >&2 && echo buildah && return
  echo "no image can be built: there is no docker or podman that runs, and no buildah with mmdebstrap" >&2
  return 1
}

arguments() { # the build's arguments, each on a line
  printf '%s\n' --build-arg "VERSION=$VERSION" --build-arg "ROCKSDB=${ROCKSDB:-1}" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --build-arg "CREATED=$(git log -1 --format=%cI 2>/dev/null || echo 1970-01-01T00:00:00Z)"
}

with_engine() { # docker or podman
  local base=()
  [ -z "${BASE:-}" ] || base=(--build-arg "BASE=$BASE")
  "$1" build --tag "$IMAGE" "${args[@]}" "${base[@]}" .
  "$1" save --output "$PART" "$IMAGE"
}

# The repository's node_modules stand in for `npm ci`; the locally made base has no npm.
with_buildah() {
  [ "${ROCKSDB:-1}" = 0 ] || bash scripts/rocksdb/build.sh >/dev/null
  local storage=$CACHE/storage base=${BASE:-local} id
  mkdir -p "$storage"
  exec 9>"$CACHE/storage.lock"
  flock 9
  export BUILDAH_ISOLATION=chroot STORAGE_DRIVER
  [ "$(stat -f -c %T "$storage")" = overlayfs ] && STORAGE_DRIVER=vfs || STORAGE_DRIVER=overlay
  buildah=(buildah --root "$storage/root" --runroot "$storage/run")
  if [ "$base" = local ]; then
    archive=$(bash "$HERE/base.sh")
    base=localhost/weir-base:$(basename "$archive" .oci.tar)
    if ! "${buildah[@]}" inspect --type image "$base" >/dev/null 2>&1; then
      id=$("${buildah[@]}" pull --quiet "oci-archive:$archive")
      "${buildah[@]}" tag "$id" "$base"
    fi
  fi
  "${buildah[@]}" bud --quiet --layers=false --build-arg "BASE=$base" --build-arg "BUILD=${BUILD:-$base}" \
    --volume "$PWD/node_modules:/src/node_modules:ro" "${args[@]}" --tag "$IMAGE" . >/dev/null
  "${buildah[@]}" push --quiet --disable-compression "$IMAGE" "docker-archive:$PART:$IMAGE"
  "${buildah[@]}" rmi --force "$IMAGE" >/dev/null # it is in the archive; the storage keeps the base only
}

began=$(date +%s)
BUILDER=${BUILDER:-$(builder)}
mkdir -p "$(dirname "$OUT")"
mapfile -t args < <(arguments)
case $BUILDER in buildah) with_buildah ;; *) with_engine "$BUILDER" ;; esac
mv "$PART" "$OUT"
echo "$IMAGE: $(($(stat -c %s "$OUT") / 1000000)) MB in $OUT, built by $BUILDER in $(($(date +%s) - began)) s"
