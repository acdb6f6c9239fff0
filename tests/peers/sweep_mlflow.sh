#!/usr/bin/env bash
# Does MLflow know a study after `firebox sweep export STUDY --to mlflow`, and is nothing there twice after a second one? Starts
# servers of its own on this machine, one of which asks for a password, and stops them.
#
#     tests/peers/sweep_mlflow.sh
#     PEERS=/tmp/peers BIN=target/release/firebox tests/peers/sweep_mlflow.sh
#
# Ends with 77 where Python is not there or its packages cannot be fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
peers=${PEERS:-$work/peers}
bin=$(realpath "${BIN:-target/release/firebox}")
sweep() { "$bin" sweep "$@"; }
groups=()
cleanup() {
    local group
    # Each server has a group of processes of its own, which begins with it.
    for group in "${groups[@]:-}"; do [ -z "$group" ] || kill -- "-$group" 2> /dev/null || true; done
    sleep 1
    for group in "${groups[@]:-}"; do [ -z "$group" ] || kill -9 -- "-$group" 2> /dev/null || true; done
    wait 2> /dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

if [ ! -e "$peers/mlflow/ready" ]; then
    python3 -m venv "$peers/mlflow" || exit 77
    "$peers/mlflow/bin/pip" install --quiet --disable-pip-version-check 'mlflow[auth]' || exit 77
    touch "$peers/mlflow/ready"
fi
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
serve() { # name, arguments; sets address
    local at
    at=$(port)
    mkdir "$work/$1"
    (cd "$work/$1" && exec setsid "$peers/mlflow/bin/mlflow" server --host 127.0.0.1 --port "$at" --workers 1 \
        --backend-store-uri "sqlite:///$work/$1/mlflow.db" --artifacts-destination "$work/$1/artifacts" "${@:2}") \
        > "$work/$1.log" 2>&1 &
    groups+=($!)
    address="http://127.0.0.1:$at"
    for _ in $(seq 240); do
        curl --silent --fail --max-time 5 "$address/health" > /dev/null && return
        sleep 0.5
    done
    cat "$work/$1.log" >&2
    echo "MLflow did not start" >&2
    exit 1
}
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

cat > "$work/config.toml" << EOF
[data]
card = "$(realpath datasets/penguins)"
[model.mlp]
[train]
epochs = 6
[sweep]
trials = 12
objectives = ["accuracy"]
[sweep.pruner.median]
[sweep.space]
"model.mlp.hidden" = { each = { low = 8, high = 32, log = true }, count = { low = 1, high = 3 } }
"optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
EOF
"$bin" --threads 1 sweep "$work/config.toml" --run "$work/study" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
# A trial of every kind: one waits, and of two the rows are made to say that they run and failed.
"$bin" sweep enqueue "$work/study" --set optimizer.adamw.learning_rate=0.01 > /dev/null
change() {
    python3 - "$work/study/study.db" "$1" << 'EOF'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as on:
    on.execute(sys.argv[2])
EOF
}
change "UPDATE firebox_trials SET state = 'running', ended = NULL WHERE number = 2"
change "UPDATE firebox_trials SET state = 'failed', error = 'on purpose' WHERE number = 3"
export MLFLOW_TRACKING_URI=
serve open
for _ in first second; do
    sweep export "$work/study" --to mlflow --address "$address" --experiment 'penguins & co' > "$work/said" 2>&1
    "$peers/mlflow/bin/python" tests/peers/sweep_mlflow.py "$address" 'penguins & co' "$work/study/study.db"
done
grep -q 'Nothing was new' "$work/said" || { cat "$work/said" >&2; exit 1; }
# What has changed is told, and nothing else is there twice.
change "UPDATE firebox_trials SET state = 'complete', ended = began + 5 WHERE number = 2"
sweep export "$work/study" --to mlflow --address "$address" --experiment 'penguins & co' > "$work/said" 2>&1
grep -q '1 of 12 trials were new' "$work/said" || { cat "$work/said" >&2; exit 1; }
"$peers/mlflow/bin/python" tests/peers/sweep_mlflow.py "$address" 'penguins & co' "$work/study/study.db"

cat > "$work/auth.ini" << EOF
[mlflow]
default_permission = READ
database_uri = sqlite:///$work/auth.db
admin_username = keeper
admin_password = a-secret-of-this-test
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
EOF
MLFLOW_FLASK_SERVER_SECRET_KEY=key MLFLOW_AUTH_CONFIG_PATH="$work/auth.ini" serve closed --app-name basic-auth
if sweep export "$work/study" --to mlflow --address "$address" > "$work/said" 2>&1; then
    echo "a server with a password took an export without one" >&2
    exit 1
fi
grep -q 401 "$work/said" || { cat "$work/said" >&2; exit 1; }
export MLFLOW_TRACKING_USERNAME=keeper MLFLOW_TRACKING_PASSWORD=a-secret-of-this-test
sweep export "$work/study" --to mlflow --address "$address" --experiment closed > "$work/said" 2>&1
"$peers/mlflow/bin/python" tests/peers/sweep_mlflow.py "$address" closed "$work/study/study.db"
if grep -q a-secret "$work/said"; then
    echo "the password was shown" >&2
    exit 1
fi
echo "MLflow knows a study as it is, also after a second telling, and behind a password."
