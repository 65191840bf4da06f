#!/usr/bin/env bash
# Builds or fetches every real server that the integration tests run, into the cache folder, keyed by version.
# Says for all of them at once what is missing, then builds what can be built.
set -uo pipefail
cd "$(dirname "$0")"
status=0
need() { command -v "$1" >/dev/null || { echo "missing: $1 — $2" >&2; status=1; }; }
need go "Go 1.24 or newer builds the Kubernetes API server and kubectl: https://go.dev/dl, or your distribution's golang"
need java "a Java 17 runtime runs Kafka: apt-get install openjdk-17-jre-headless"
need mvn "Maven fetches Kafka: apt-get install maven"
need openssl "certificates for the test API server: apt-get install openssl"
bash build-kube.sh || status=1
bash kafka/build.sh || status=1
exit $status
