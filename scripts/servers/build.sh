#!/usr/bin/env bash
# Installs, builds or fetches every real server and tool that the tests run; builds go into the cache folder, by version.
# Says for all of them at once what is missing, then builds what can be built.
set -uo pipefail
cd "$(dirname "$0")"
status=0
need() { command -v "$1" >/dev/null || { echo "missing: $1 — $2" >&2; status=1; }; }
need go "Go 1.26 or newer builds Kubernetes, Helm and Argo CD: https://go.dev/dl, or your distribution's golang"
need java "a Java 17 runtime runs Kafka: apt-get install openjdk-17-jre-headless"
need mvn "Maven fetches Kafka: apt-get install maven"
bash packages.sh || status=1
bash ../rocksdb/build.sh >/dev/null || status=1
bash kafka/build.sh || status=1
for program in kube coredns helm argocd helm-unittest kstatus kube-score helm3 versitygw; do
  bash build-go.sh $program || status=1
done
exit $status
