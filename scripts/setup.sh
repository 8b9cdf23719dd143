#!/usr/bin/env bash
# Installs what the tests need on Debian or Ubuntu and is missing: a C compiler (SQLite and the TLS library are built
# from source) and PostgreSQL's server programs. The tests start their own server; a running one is left alone.
set -euo pipefail

missing=()
command -v cc >/dev/null || missing+=(build-essential)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
command -v setpriv >/dev/null || missing+=(util-linux)
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "error: please install: ${missing[*]}" >&2
    exit 1
fi
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
