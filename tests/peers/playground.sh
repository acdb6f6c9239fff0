#!/usr/bin/env bash
# Does the page of a server ask every kind of model as its addresses do, for whoever draws, drops, pastes, types and tabs, in light, in dark
# and on a phone?
#
#     tests/peers/playground.sh                     # trains four small models, serves them and opens the page
#     SHOTS=/tmp/shots tests/peers/playground.sh    # keeps the screenshots there
#     PEERS=/tmp/peers FIREBOX=target/release/firebox tests/peers/playground.sh          # keeps what npm fetched; takes this program
#
# Needs node, npm, chromium and curl, which it installs from Debian where they are missing and may. Ends with 77 where they, or
# puppeteer-core of npm, cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}/web
shots=${SHOTS:-$work/shots}

for program in node npm chromium curl python3; do
    command -v "$program" > /dev/null && continue
    [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null || { echo "$program is missing" >&2; exit 77; }
    package=$program
    [ "$program" != node ] || package=nodejs
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"; } > /dev/null || exit 77
done
mkdir -p "$peers"
[ -e "$peers/node_modules/puppeteer-core" ] ||
    npm install --prefix "$peers" --silent --no-audit --no-fund --ignore-scripts puppeteer-core > /dev/null || exit 77

if [ -z "${FIREBOX:-}" ]; then
    cargo build --release --quiet
    FIREBOX=target/release/firebox
fi

printf 'address = "127.0.0.1:0"\nfeedback = "%s"\n' "$work/feedback.jsonl" > "$work/serve.toml"
model() { # name, steps, config
    "$FIREBOX" train "$3" --device cpu --set "train.steps=$2" --run "$work/$1" > "$work/log" 2>&1 || [ $? -eq 3 ] || { cat "$work/log" >&2; exit 1; }
    printf '[[models]]\nname = "%s"\nbundle = "%s"\n' "$1" "$work/$1" >> "$work/serve.toml"
}
model penguins 60 configs/penguins_mlp.toml
model digits 430 configs/mnist_lenet.toml
model names 200 configs/names_gru.toml
model letters 100 configs/names_gpt.toml

"$FIREBOX" serve "$work/serve.toml" > "$work/served" 2> "$work/log" &
server=$!
address=""
for _ in $(seq 300); do
    address=$(sed -n 's/.*\(http:\/\/[0-9.:]*\).*/\1/p' "$work/served" | head -n 1)
    [ -n "$address" ] && curl -sf "$address/v2/health/ready" > /dev/null && break
    kill -0 "$server" 2> /dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
script=$PWD/tests/peers/playground.mjs
(cd "$peers" && CHROMIUM=$(command -v chromium) node "$script" "$address" "$shots")
