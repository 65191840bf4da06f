#!/usr/bin/env bash
# Puts the jars of a Kafka broker into the cache folder, once per version. Prints the folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
target="${WEIR_CACHE:-$HOME/.cache/weir}/kafka/$version"

[ -e "$target/.complete" ] && { echo "$target"; exit 0; }

for tool in java mvn; do
  command -v "$tool" >/dev/null || {
    echo "kafka: '$tool' is missing. Install a JDK 17 or newer and Maven, for example: apt-get install openjdk-17-jdk-headless maven" >&2
    exit 1
  }
done

mkdir -p "$target"
exec 9>"$target/.lock"
flock 9
if [ ! -e "$target/.complete" ]; then
  # Maven writes beside the pom: work on a copy so that the source tree stays clean.
  cp "$here/pom.xml" "$target/pom.xml"
  mvn -B -q -f "$target/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$target/libs" >&2
  # Formatting takes seconds of a JVM; every broker starts from a copy of this folder instead.
  rm -rf "$target/formatted"
  { cat "$here/server.properties"
    echo "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:1"
    echo "controller.quorum.voters=1@127.0.0.1:1"
    echo "log.dirs=$target/formatted"; } >"$target/format.properties"
  java -Xmx256m -cp "$target/libs/*" "-Dlog4j2.configurationFile=$here/log4j2.properties" \
    kafka.tools.StorageTool format --cluster-id MkU3OEVBNTcwNTJENDM2Qg --config "$target/format.properties" >&2
  touch "$target/.complete"
fi
echo "$target"
