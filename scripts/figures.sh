#!/usr/bin/env bash
# Measures a release binary: its size, the time from start to the first answer on an existing database, and the memory
# that it holds when idle, with all of its child processes. Usage: scripts/figures.sh PATH/TO/rustbill
set -euo pipefail

binary=$(realpath "${1:-target/release/rustbill}")
home=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    server=
}
trap 'stop; rm -rf "$home"' EXIT
export RUSTBILL_HOME=$home RUSTBILL_SERVER__PORT=0 RUST_LOG=error
cd "$home"

# Starts the server and sets `milliseconds` to the time until it said that it is ready.
start() {
    local begin end line
    : >"$home/out"
    begin=$(date +%s%N)
    "$binary" serve >"$home/out" &
    server=$!
    until line=$(grep -o 'ready at http://.*' "$home/out"); do
        kill -0 "$server"
        sleep 0.002
    done
    address=${line#ready at }
    until curl -fs "$address/ready" >/dev/null; do kill -0 "$server"; done
    end=$(date +%s%N)
    milliseconds=$(((end - begin) / 1000000))
}

# Memory of the server and its children in MB: their resident pages.
memory() {
    local pid total=0
    for pid in "$server" $(pgrep -P "$server" || true); do
        total=$((total + $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status" 2>/dev/null || echo 0)))
    done
    echo $((total / 1024))
}

size=$(stat -c %s "$binary")
start
first=$milliseconds
stop
times=()
for _ in 1 2 3 4 5; do
    start
    times+=("$milliseconds")
    stop
done
median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 3p)
start
loaded=$(memory)
# The processes of the plugins end after a minute without a call.
for _ in $(seq 90); do
    [ -z "$(pgrep -P "$server" || true)" ] && break
    sleep 1
done
idle=$(memory)
stop

printf '%-42s %8s  %s\n' figure value limit
printf '%-42s %8s  %s\n' 'size, MB' "$(((size + 999999) / 1000000))" 25
printf '%-42s %8s\n' 'first start, with a new database, ms' "$first"
printf '%-42s %8s  %s\n' 'start on an existing database, median ms' "$median" 300
printf '%-42s %8s\n' 'memory after the start, MB' "$loaded"
printf '%-42s %8s  %s\n' 'memory when idle, MB' "$idle" 40
[ $((size / 1000000)) -lt 25 ] && [ "$median" -lt 300 ] && [ "$idle" -lt 40 ]
