#!/bin/sh
# Do workers share a study in PostgreSQL, whatever happens to them and to the server? Starts a server of its own on this machine, runs the tests
# that need one, and stops it. Needs Debian's package `postgresql`. Run from the root of the repository: sh tests/peers/postgres_sweep.sh
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# The server refuses to run as root.
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    owner="runuser -u postgres --"
else
    owner=""
fi
options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$folder"
START_SERVER="cd / && $owner $bin/pg_ctl -D $folder/data -w -l $folder/log -o '$options' start >/dev/null"
STOP_SERVER="cd / && $owner $bin/pg_ctl -D $folder/data -m immediate stop >/dev/null"
trap 'sh -c "$STOP_SERVER" 2>/dev/null || true; rm -rf "$folder"' EXIT

(cd / && $owner "$bin/initdb" -D "$folder/data" -U firebox --auth=trust >/dev/null)
sh -c "$START_SERVER"
DATABASE_URL="postgres://firebox@127.0.0.1:$port/postgres"
export DATABASE_URL START_SERVER STOP_SERVER
cargo test ${CARGO_FLAGS---release} --features postgres --test it sweep_postgres -- --ignored --test-threads=1
echo "PostgreSQL: workers share a study, take up what others left, and wait for a server that is gone"
