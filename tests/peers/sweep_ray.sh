#!/usr/bin/env bash
# Do workers of a sweep run as jobs of Ray? Starts a cluster of one machine, on this machine alone, runs the tests that need one,
# sweeps penguins with three workers of which one is killed, and stops everything that it started.
#
#     tests/peers/sweep_ray.sh
#     PEERS=/tmp/peers BIN=target/release/firebox tests/peers/sweep_ray.sh
#
# BIN must be built with `--features postgres`, and Debian's package `postgresql` be there; without either the sweep is left out,
# and the last line says so. Ends with 77 where Python is not there or Ray cannot be fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
peers=${PEERS:-$work/peers}
bin=$(realpath "${BIN:-target/release/firebox}")
started=()
database=
# What Ray begins has our folder among its words, whoever its parent is by now.
ours() {
    local process
    for process in /proc/[0-9]*; do
        process=${process#/proc/}
        [ "$process" = $$ ] || ! { tr '\0' ' ' < "/proc/$process/cmdline"; } 2> /dev/null | grep -qF "$work/ray" || echo "$process"
    done
}
cleanup() {
    local process
    for process in "${started[@]:-}"; do [ -z "$process" ] || kill "$process" 2> /dev/null || true; done
    sleep 3
    for process in "${started[@]:-}" $(ours); do [ -z "$process" ] || kill -9 "$process" 2> /dev/null || true; done
    wait 2> /dev/null || true
    [ -z "$database" ] || "${as[@]}" "$postgres/pg_ctl" -D "$database" -m immediate stop > /dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

if [ ! -e "$peers/ray/ready" ]; then
    python3 -m venv "$peers/ray" || exit 77
    "$peers/ray/bin/pip" install --quiet --disable-pip-version-check 'ray[default]' || exit 77
    touch "$peers/ray/ready"
fi
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

export RAY_USAGE_STATS_ENABLED=0 RAY_DISABLE_DOCKER_CPU_WARNING=1
dashboard=$(port)
# In the foreground of a process of its own, so that what it begins are its children.
"$peers/ray/bin/ray" start --head --block --node-ip-address 127.0.0.1 --port "$(port)" --num-cpus 4 \
    --dashboard-host 127.0.0.1 --dashboard-port "$dashboard" --dashboard-agent-listen-port "$(port)" --temp-dir "$work/ray" --object-store-memory 80000000 \
    --disable-usage-stats > "$work/ray.log" 2>&1 &
started+=($!)
address="http://127.0.0.1:$dashboard"
for _ in $(seq 240); do
    curl --silent --fail --max-time 5 "$address/api/jobs/" > /dev/null && break
    sleep 1
done
curl --silent --fail --max-time 5 "$address/api/jobs/" > /dev/null || { cat "$work/ray.log" >&2; echo "Ray did not start" >&2; exit 1; }

FIREBOX_RAY="$address" FIREBOX_RAY_FOLDER="$work/workers" \
    cargo test ${CARGO_FLAGS---release} --workspace --lib ray::cluster_tests -- --ignored --test-threads=1 > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
grep -E '^test .*cluster_tests' "$work/log"
version=$("$peers/ray/bin/python" -c 'import ray; print(ray.__version__)')

postgres=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | sort -V | tail -1)
if [ -z "$postgres" ] || ! "$bin" sweep --help | grep -q -- --engine; then
    echo "Ray $version: workers that are killed are begun again, and an interrupt lets them save. No sweep: it needs PostgreSQL, and BIN with --engine."
    exit 0
fi
as=(env)
if [ "$(id -u)" = 0 ]; then as=(runuser -u postgres --); fi
mkdir "$work/pg"
if [ "$(id -u)" = 0 ]; then chown postgres "$work/pg"; chmod 755 "$work"; fi
database="$work/pg/data"
"${as[@]}" "$postgres/initdb" -D "$database" -U firebox --auth=trust > /dev/null
pg=$(port)
"${as[@]}" "$postgres/pg_ctl" -D "$database" -w -l "$work/pg/log" \
    -o "-c listen_addresses=127.0.0.1 -c port=$pg -c unix_socket_directories=$work/pg" start > /dev/null
study="postgres://firebox@127.0.0.1:$pg/postgres#penguins"
cat > "$work/penguins.toml" << EOF
[data]
card = "$(realpath datasets/penguins)"
[model.mlp]
[train]
epochs = 400
[sweep]
trials = 12
[sweep.pruner.none]
[sweep.cluster]
program = "$bin"
run = "$work/study"
memory_gib = 0.25
EOF
"$bin" sweep "$work/penguins.toml" --engine ray --address "$address" --workers 3 --storage "$study" --run "$work/study" \
    > "$work/sweep.log" 2>&1 &
sweep=$!
started+=("$sweep")
# One worker is killed as soon as there are some.
killed=
for _ in $(seq 300); do
    for process in $(pgrep -f -- "$bin sweep worker" || true); do
        words=$({ tr '\0' ' ' < "/proc/$process/cmdline"; } 2> /dev/null || true)
        if [[ "$words" = "$bin sweep worker"* ]] \
            && { tr '\0' '\n' < "/proc/$process/environ"; } 2> /dev/null | grep -qF "FIREBOX_STUDY=$study"; then
            [[ "$words" != *postgres://* ]] || { echo "the study stands in the command" >&2; exit 1; }
            sleep 1
            kill -9 "$process" && killed=$process
            break 2
        fi
    done
    sleep 0.2
done
[ -n "$killed" ] || { cat "$work/sweep.log" >&2; echo "no worker was seen" >&2; exit 1; }
wait "$sweep" || { cat "$work/sweep.log" >&2; exit 1; }
grep -q killed "$work/sweep.log" || { cat "$work/sweep.log" >&2; echo "nobody noticed that a worker was killed" >&2; exit 1; }
finished=$("$postgres/psql" "${study%#*}" -At -c "SELECT count(*) FROM firebox_trials WHERE state = 'complete'")
[ "$finished" = 12 ] || { echo "$finished of 12 trials are complete" >&2; exit 1; }
echo "Ray $version: three workers trained 12 trials although one was killed, and an interrupt lets workers save."
