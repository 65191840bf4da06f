#!/usr/bin/env bash
# Installs the Debian packages that the tests' real servers come from, when this machine lets us; else says what to install.
# usage: packages.sh [PACKAGE...]   (all of them without arguments)
set -uo pipefail
# package:a command that shows it is there, or a path where it has none in PATH
ALL="containerd:containerd runc:runc containernetworking-plugins:/usr/lib/cni/bridge iptables:iptables conntrack:conntrack
  iproute2:ip mmdebstrap:mmdebstrap buildah:buildah openssl:openssl curl:curl jq:jq git:git prometheus:promtool redis-server:redis-server
  postgresql-15:/usr/lib/postgresql/15/bin/postgres mariadb-server:mariadbd
  g++:g++ librocksdb-dev:/usr/include/rocksdb/db.h"
missing=()
for entry in $ALL; do
  package=${entry%%:*} command=${entry#*:}
  [ $# -gt 0 ] && [[ " $* " != *" $package "* ]] && continue
  command -v "$command" >/dev/null || [ -e "$command" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]} — on Debian: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}…" >&2
# The packages bring daemons that would start at once on a machine with a service manager; the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
  trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null; }
install 2>/dev/null || { apt-get update -qq >/dev/null && install; }
