#!/bin/sh
# Are rows of PostgreSQL read as they are? Starts a server of its own on this machine, runs the tests that need one, and stops it.
# Needs Debian's package `postgresql`. Run from the root of the repository: sh tests/peers/postgres_rows.sh
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# The server refuses to run as root.
as_owner() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}
if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
trap 'as_owner "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT

as_owner "$bin/initdb" -D "$folder/data" -U firebox --auth=trust >/dev/null
as_owner "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
    -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$folder" start >/dev/null
DATABASE_URL="postgres://firebox@127.0.0.1:$port/postgres"
export DATABASE_URL
"$bin/psql" "$DATABASE_URL" -q -c "CREATE TABLE kept (x int); CREATE SEQUENCE counter"
cargo test ${CARGO_FLAGS---release} -p data-loader --features postgres --test fetch postgres -- --include-ignored
written="SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM pg_class WHERE relname = 'made')"
[ "$("$bin/psql" "$DATABASE_URL" -At -c "$written")" = 0 ] || { echo "a query that should only read has written" >&2; exit 1; }
echo "PostgreSQL: rows are read as they are, and nothing was written"
