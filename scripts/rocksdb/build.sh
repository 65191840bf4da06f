#!/usr/bin/env bash
# Builds the RocksDB addon and puts it, with the libraries it needs, where a clone looks for it: node_modules/.weir/rocksdb.
# Kept in the cache folder (WEIR_CACHE, default ~/.cache/weir) by source, RocksDB and Node version. Prints the folder.
# The libraries are Debian's, beside the addon: its static RocksDB is not made for a shared object.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
SOURCE=src/engine/rocksdb/native.cc
bash scripts/servers/packages.sh g++ librocksdb-dev >&2
node=node_modules/.bin/node
[ -e $node ] || node=$(command -v node)
include=$("$node" -p 'require("path").resolve(process.execPath, "../../include/node")')
[ -e "$include/node_api.h" ] || { echo "Node at $("$node" -p process.execPath) has no headers in $include" >&2; exit 1; }
version=$(sed -n 's/^#define ROCKSDB_\(MAJOR\|MINOR\|PATCH\) *\([0-9]*\)$/\2/p' /usr/include/rocksdb/version.h | paste -sd.)
key=$version-node$("$node" -p process.versions.modules)-$(uname -m)-$(cat $SOURCE scripts/rocksdb/build.sh | sha256sum | cut -c1-12)
cache=${WEIR_CACHE:-$HOME/.cache/weir}/rocksdb
kept=$cache/$key
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$kept/weir-rocksdb.node" ]; then
  echo "building the RocksDB $version addon…" >&2
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  g++ -O2 -std=c++17 -fPIC -shared -fvisibility=hidden -fno-rtti -DNAPI_VERSION=8 -I"$include" $SOURCE \
    -lrocksdb -Wl,-rpath,'$ORIGIN' -Wl,--disable-new-dtags -s -o "$work/weir-rocksdb.node"
  # What is in every image with Node is not copied; the rest is found beside the addon.
  ldd "$work/weir-rocksdb.node" | sed -n 's/^\t\(lib[^ ]*\) => \(\/[^ ]*\) .*/\1 \2/p' |
    grep -vE '^lib(c|m|dl|pthread|stdc\+\+|gcc_s)\.so' | while read -r name file; do install -m 644 "$file" "$work/$name"; done
  (cd "$work" && ls lib*) | while read -r name; do
    file=$(ldconfig -p | sed -n "s#^\t$name .* => ##p" | head -1)
    file=$(readlink -f "$file")
    package=$({ dpkg -S "$file" || dpkg -S "${file#/usr}"; } 2>/dev/null | head -1 | cut -d: -f1) # some are known by /lib
    dpkg-query -W -f '${Package} ${Version}\n' "$package" | head -1 >>"$work/packages.txt"
    [ ! -e "/usr/share/doc/$package/copyright" ] || install -m 644 "/usr/share/doc/$package/copyright" "$work/$package.copyright"
  done
  mv "$work" "$kept"
  trap - EXIT
fi
here=node_modules/.weir/rocksdb
if [ "$(cat $here/key 2>/dev/null)" != "$key" ]; then # not a link: an image's build sees node_modules only
  mkdir -p node_modules/.weir
  cp -r "$kept" "$here.$$"
  echo "$key" >"$here.$$/key"
  rm -rf $here
  mv -T "$here.$$" $here
fi
echo "$here"
