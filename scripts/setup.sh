#!/usr/bin/env bash
# Installs what the tests need and is missing. On Debian or Ubuntu: a C compiler (SQLite and the TLS library are built
# from source), PostgreSQL's and Redis's server programs (the tests start their own; running ones are left alone), Python,
# and LXD with what it needs, which the tests of provider-incus run in a directory of their own, as root.
# Into target/python: the Python packages of the clients in tests/python.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v cc >/dev/null || missing+=(build-essential)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v setpriv >/dev/null || missing+=(util-linux)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)

command -v lxd >/dev/null && command -v lxc >/dev/null || missing+=(lxd)
# The program of the image that the tests make; it has to run without any library.
{ [ -e /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; } || missing+=(busybox-static)
command -v dnsmasq >/dev/null || missing+=(dnsmasq-base)
command -v nft >/dev/null || missing+=(nftables)
command -v iptables >/dev/null || missing+=(iptables)
command -v ip >/dev/null || missing+=(iproute2)

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "error: please install: ${missing[*]}" >&2
        exit 1
    fi
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# The copy of the list beside the packages says which ones they are.
environment=target/python
wanted=tests/python/requirements.txt
if ! cmp -s "$wanted" "$environment/requirements.txt" || ! "$environment/bin/python" -c 'import grpc_tools'; then
    echo "installing Python packages into $environment"
    python3 -m venv --clear "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$wanted"
    cp "$wanted" "$environment/requirements.txt"
fi
