#!/usr/bin/env bash
# Makes a base image like distroless from Debian packages and the pinned Node, for machines that reach no image registry.
# Kept in the cache folder (WEIR_CACHE, default ~/.cache/weir). The last line printed is the path of the OCI archive.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NODE=$(dirname "$HERE")/../node_modules/node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')/bin/node
RELEASE=bookworm
[ -x "$NODE" ] || { echo "there is no pinned Node at $NODE: make install" >&2; exit 1; }
KEY=$("$NODE" -p process.versions.node)-$RELEASE-$(cat "$HERE/base.sh" "$HERE/one-layer.sh" | sha256sum | cut -c1-8)
OUT=${WEIR_CACHE:-$HOME/.cache/weir}/image/base-$KEY.oci.tar
[ -s "$OUT" ] && { echo "$OUT"; exit 0; }
mkdir -p "$(dirname "$OUT")"
exec 9>"$OUT.lock"
flock 9
[ -s "$OUT" ] && { echo "$OUT"; exit 0; }
echo "making a base image (Debian $RELEASE, Node $KEY)…" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
# This variant unpacks and runs nothing: no maintainer scripts, so a few files are made by hand below.
mmdebstrap --quiet --variant=extract --include=libc6,libstdc++6,libgcc-s1,ca-certificates,netbase,tzdata $RELEASE "$root"
cd "$root"
find . -xdev -path ./usr/share/zoneinfo -prune -o -path ./usr/share/ca-certificates -prune -o -type f -print0 |
  grep -zvE '/(lib|etc)/|/copyright$' | xargs -0 rm -f # programs and documents; libraries, settings and licences stay
# OpenSSL comes along with ca-certificates only; Node has its own.
rm -rf var usr/share/{man,locale,info,lintian,bug,gcc,gdb,debconf,bash-completion} usr/share/zoneinfo/{right,posix} usr/share/doc/{debconf,openssl,libssl3} \
  usr/lib/{ssl,apt,init,systemd} usr/lib/*/{gconv,perl-base,audit,engines-3,ossl-modules,libssl*,libcrypto*} \
  etc/{ssl,dpkg,apt,debconf.conf,fstab,hostname,resolv.conf,ethertypes,rpc} dev/*
find . -xtype l -delete # links to what is gone
find . -mindepth 1 -type d -empty -delete
mkdir -p etc/ssl/certs home/nonroot tmp proc sys dev run app usr/local/bin
chmod 1777 tmp
find usr/share/ca-certificates -name '*.crt' -exec cat {} + >etc/ssl/certs/ca-certificates.crt
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >etc/passwd
printf 'root:x:0:\nnonroot:x:65532:\n' >etc/group
echo 'hosts: files dns' >etc/nsswitch.conf
install -m 755 "$NODE" usr/local/bin/node
tar --owner=0 --group=0 --numeric-owner --sort=name --mtime=@0 -cf "$work/root.tar" .
bash "$HERE/one-layer.sh" "$work/base.tar" localhost/weir-base:24 "$work/root.tar" \
  '{"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"], "User": "0:0", "WorkingDir": "/"}'
mv "$work/base.tar" "$OUT"
echo "$OUT"
