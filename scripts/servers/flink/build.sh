#!/usr/bin/env bash
# Puts the jars of a Flink cluster into the cache folder, once per version (313 MB to fetch). Only `make bench` asks for it.
# Prints the folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^apache-flink-libraries==\([^ ]*\).*/\1/p' "$here/requirements.txt")
target="${WEIR_CACHE:-$HOME/.cache/weir}/flink/$version"

[ -e "$target/.complete" ] && { echo "$target"; exit 0; }

need() { command -v "$1" >/dev/null || { echo "flink: '$1' is missing. $2, or leave Flink out: make bench FLINK=0" >&2; exit 1; }; }
need java "Install a Java 17 runtime, for example: apt-get install openjdk-17-jre-headless"
need mvn "Install Maven: apt-get install maven"
need python3 "Install Python 3 with pip: apt-get install python3-pip"

mkdir -p "$target"
exec 9>"$target/.lock"
flock 9
if [ ! -e "$target/.complete" ]; then
  echo "fetching Flink $version (once)…" >&2
  rm -rf "$target/wheel" && mkdir -p "$target/wheel" "$target/gateway"
  python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$here/requirements.txt" -d "$target/wheel" >&2
  (cd "$target/wheel" && python3 -m zipfile -e ./*.whl .)
  for part in lib plugins bin; do rm -rf "${target:?}/$part" && mv "$target/wheel/pyflink/$part" "$target/$part"; done
  rm -rf "$target/wheel"
  # Maven writes beside the pom: work on a copy so that the source tree stays clean.
  cp "$here/pom.xml" "$target/pom.xml"
  mvn -B -q -f "$target/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$target/gateway" >&2
  (cd "$target/gateway" && sha256sum --quiet -c "$here/jars.sha256") >&2
  mv "$target"/gateway/flink-sql-connector-kafka-*.jar "$target/lib/"
  touch "$target/.complete"
fi
echo "$target"
