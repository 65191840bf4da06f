#!/usr/bin/env bash
# Builds one Go program of the tests into the cache folder (WEIR_CACHE, default ~/.cache/weir), keyed by what it is built
# from. The last line printed is its path.
# usage: build-go.sh NAME   — a folder here with a go.mod (build.env may set VERSION, LDFLAGS, TARGET), or a line of go-tools.txt
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NAME=${1:?usage: build-go.sh NAME}
TOOL=$(awk -v name="$NAME" '$1 == name {print $2 "@" $3}' "$HERE/go-tools.txt")
VERSION='' LDFLAGS='' TARGET=.
if [ -n "$TOOL" ]; then
  KEY=${TOOL##*@}
elif [ -f "$HERE/$NAME/go.mod" ]; then
  cd "$HERE/$NAME"
  # shellcheck source=/dev/null
  [ -f build.env ] && . ./build.env
  KEY=${VERSION:+$VERSION-}$(find . -maxdepth 1 -name '*.go' -o -name go.mod | sort | xargs cat | sha256sum | cut -c1-12)
else
  echo "there is no Go program '$NAME' in $HERE" >&2
  exit 2
fi
OUT=${WEIR_CACHE:-$HOME/.cache/weir}/$NAME/$KEY
[ -x "$OUT/$NAME" ] && { echo "$OUT/$NAME"; exit 0; }
command -v go >/dev/null || {
  echo "The tests run real servers and tools that are built with Go 1.24 or newer, and there is no 'go' in PATH." >&2
  echo "Install it from https://go.dev/dl (or your distribution's golang package), then run this again: $0 $NAME" >&2
  exit 1
}
mkdir -p "$OUT"
exec 9>"$OUT.lock"
flock 9 # a second run waits for the first and then finds the binary
[ -x "$OUT/$NAME" ] && { echo "$OUT/$NAME"; exit 0; }
echo "building $NAME $KEY (once; the big ones take minutes)…" >&2
export CGO_ENABLED=0
if [ -n "$TOOL" ]; then
  GOBIN=$OUT/bin go install -ldflags "-s -w" "$TOOL"
  mv "$OUT"/bin/* "$OUT/$NAME"
else
  go build -ldflags "-s -w $LDFLAGS" -o "$OUT/$NAME.part" "$TARGET"
  mv "$OUT/$NAME.part" "$OUT/$NAME"
fi
echo "$OUT/$NAME"
