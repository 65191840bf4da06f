#!/usr/bin/env bash
# Installs the dependencies with the machine's own npm; the pinned Node 24 arrives as one of them.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "Weir needs Node 20 or newer to bootstrap; install it from https://nodejs.org or your distribution." >&2; exit 1; }
command -v npm >/dev/null || { echo "Weir needs npm (it comes with Node)." >&2; exit 1; }
echo "installing dependencies (npm ci)…"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
# npm 10 installs the pinned Node but does not link its binary.
[ -e node_modules/.bin/node ] || npm rebuild --ignore-scripts --loglevel=error
bin=node_modules/.bin/node; [ -e "$bin" ] || bin=$(command -v node)
major=$("$bin" -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 24 ]; then
  echo "Weir runs on Node 24 or newer; this system has no pinned build for it and its own Node is $("$bin" -v)." >&2
  exit 1
fi
