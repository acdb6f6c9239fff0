#!/usr/bin/env bash
# Does a page of `firebox package` answer in a browser as the network did, by what is drawn, dropped, typed and tabbed to, in light, in dark and on
# a phone?
#
#     tests/peers/web_page.sh                     # trains four small models, exports them, writes their pages and opens them
#     SHOTS=/tmp/shots tests/peers/web_page.sh    # keeps the screenshots there
#     PEERS=/tmp/peers FIREBOX=target/release/firebox tests/peers/web_page.sh          # keeps what npm fetched; takes this program
#
# Needs node, npm and chromium, which it installs from Debian where they are missing and may. Ends with 77 where they, or onnxruntime-web
# and puppeteer-core of npm, cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}/web
shots=${SHOTS:-$work/shots}

for program in node npm chromium; do
    command -v "$program" > /dev/null && continue
    [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null || { echo "$program is missing" >&2; exit 77; }
    package=$program
    [ "$program" != node ] || package=nodejs
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"; } > /dev/null || exit 77
done
mkdir -p "$peers"
[ -e "$peers/node_modules/puppeteer-core" ] && [ -e "$peers/node_modules/onnxruntime-web" ] ||
    npm install --prefix "$peers" --silent --no-audit --no-fund --ignore-scripts onnxruntime-web puppeteer-core > /dev/null || exit 77

if [ -z "${FIREBOX:-}" ]; then
    cargo build --release --quiet
    FIREBOX=target/release/firebox
fi

model() { # name, steps, config
    "$FIREBOX" train "$3" --device cpu --set "train.steps=$2" --run "$work/$1" > "$work/log" 2>&1 || [ $? -eq 3 ] || { cat "$work/log" >&2; exit 1; }
    "$FIREBOX" export "$work/$1" --to onnx > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    "$FIREBOX" package "$work/$1" --web --runtime "$peers" --seconds 0 --out "$work/packed" > "$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    mv "$work/packed/web" "$work/pages/$1"
}
mkdir "$work/pages"
model image 430 configs/mnist_lenet.toml
model columns 60 configs/penguins_mlp.toml
model text 20 configs/names_gru.toml
model series 20 configs/co2_patch_tst.toml
# A page whose network answers otherwise must say so.
cp -r "$work/pages/columns" "$work/pages/broken"
python3 - "$work/pages/broken/model.json" << 'PYTHON'
import json, sys
told = json.load(open(sys.argv[1]))
told["golden"]["outputs"][1][0] += 0.01
json.dump(told, open(sys.argv[1], "w"))
PYTHON

# A picture of another size and in colours, as the program itself reads it.
python3 - "$work/photo.png" << 'PYTHON'
import struct, sys, zlib
width, height = 90, 61
inside = lambda x, y: 14 < abs(complex(x - 45, (y - 30) * 1.3)) < 24
pixel = lambda x, y: bytes((250, 200, 180) if inside(x, y) else (2 * x % 60, y % 50, (x * y) % 40))
rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
open(sys.argv[1], "wb").write(png)
PYTHON
"$FIREBOX" predict "$work/image" "$work/photo.png" --device cpu --json > "$work/photo.json"

python3 -u -m http.server --bind 127.0.0.1 --directory "$work/pages" 0 > "$work/served" 2> /dev/null &
server=$!
for _ in $(seq 100); do
    port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$work/served") && [ -n "$port" ] && break
    sleep 0.1
done
script=$PWD/tests/peers/web_page.mjs
(cd "$peers" && CHROMIUM=$(command -v chromium) node "$script" "http://127.0.0.1:$port" "$shots" "$work/photo")
