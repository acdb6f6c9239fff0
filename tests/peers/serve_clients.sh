#!/usr/bin/env bash
# Do clients that others wrote take our server for one of their own?
#
#     tests/peers/serve_clients.sh                        # makes an environment of its own and throws it away
#     PEERS=/tmp/peers tests/peers/serve_clients.sh       # keeps the environment there for the next time
#
# Ends with 77 where Python is not there or its packages cannot be fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}/clients
bin=$(realpath "${BIN:-target/release/firebox}")
if [ ! -e "$peers/ready" ]; then
    python3 -m venv "$peers" || exit 77
    "$peers/bin/pip" install --quiet --disable-pip-version-check 'tritonclient[http,grpc]' numpy 'pyjwt[crypto]' openapi-spec-validator \
        opentelemetry-proto || exit 77
    touch "$peers/ready"
fi
# The client of KServe wants much that it does not need to ask; without it the rest is still asked.
kserve=${PEERS:-$work/peers}/kserve
if [ ! -e "$kserve/ready" ]; then
    python3 -m venv "$kserve" && "$kserve/bin/pip" install --quiet --disable-pip-version-check kserve numpy > /dev/null 2>&1 && touch "$kserve/ready"
fi || true
run() { # name, config, settings ...
    "$bin" train "$2" --run "$work/$1" "${@:3}" > "$work/log" 2>&1 || [ $? -eq 3 ] || { cat "$work/log"; exit 1; }
}
run penguins configs/penguins_mlp.toml --set train.epochs=5
run digits configs/mnist_lenet.toml --set train.steps=20
"$peers/bin/python" tests/peers/serve_clients.py "$bin" "$work/penguins" "$work/digits"
if [ -e "$kserve/ready" ]; then
    "$kserve/bin/python" tests/peers/serve_kserve.py "$bin" "$work/digits"
else
    echo "the client of KServe cannot be had here, and was not asked"
fi
