#!/usr/bin/env bash
# How does the server do beside FastAPI with ONNX Runtime, under the same load? A small CNN (28 x 28) and a ResNet-18 (224 x 224), asked
# in JSON by wrk; server and load have a core each, and take turns.
#
#     tests/peers/serve.sh FOLDER [PAIRS=3] [SECONDS=5]
#
# FOLDER holds what the other side made: cnn.onnx, resnet18.onnx, post-cnn.lua and post-resnet18.lua, and serve_fastapi_ort.py, which starts it.
# PYTHON is a Python with fastapi, uvicorn, onnxruntime and numpy. SERVE is the server, target/serve/firebox-serve if left out.
# Not part of any test: it takes minutes, and times of machines that do other things say little.
set -euo pipefail
folder=$(realpath "$1")
pairs=${2:-3}
seconds=${3:-5}
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
bin=$(realpath "${BIN:-target/release/firebox}")
serve=$(realpath "${SERVE:-target/serve/firebox-serve}")
command -v wrk > /dev/null || { echo "wrk is missing" >&2; exit 77; }

work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; rm -rf "$work"' EXIT

train() { # name of a config in the folder of this script's own
    "$bin" train "$work/$1.toml" --run "$work/$1" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}

# The same networks; that they learnt nothing is no matter.
cat > "$work/cnn.toml" <<TOML
device = "cpu"
[data]
card = "$PWD/datasets/mnist"
[data.transforms.normalize]
[model.cnn]
[train]
steps = 1
batch_size = 8
TOML
train cnn
mkdir -p "$work/photos"
"$python" - "$work/photos" <<'PYTHON'
import struct, sys, zlib
from pathlib import Path
def png(path, seed):
    rows = b"".join(b"\0" + bytes((x * seed + y * 7 + c * 50) % 256 for x in range(224) for c in range(3)) for y in range(224))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", 224, 224, 8, 2, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))
for k in range(30):
    png(Path(sys.argv[1]) / "images" / str(k % 10) / f"{k}.png", k + 1)
PYTHON
cat > "$work/photos/card.toml" <<'TOML'
name = "photos"
title = "Made up"
summary = "made up"
source = "made up"
licence = "CC0"
citation = "none"
[format.image_folder]
[[files]]
path = "images"
[schema]
target = { name = "class", kind = "class" }
[schema.features]
image = "image"
[split.random]
validation = 0.2
test = 0.2
TOML
cat > "$work/resnet18.toml" <<TOML
device = "cpu"
[data]
card = "photos"
[data.transforms.normalize]
[data.gates]
near_duplicates_across_splits = "warn"
[model.resnet_imagenet]
depth = 18
[train]
steps = 1
batch_size = 2
TOML
train resnet18
"$python" - "$work" <<'PYTHON'
import json, random, sys
random.seed(1)
for name, shape in (("cnn", [1, 1, 28, 28]), ("resnet18", [1, 3, 224, 224])):
    count = shape[1] * shape[2] * shape[3]
    image = {"name": "image", "shape": shape, "datatype": "UINT8", "data": [random.randrange(256) for _ in range(count)]}
    open(f"{sys.argv[1]}/body-{name}.json", "w").write(json.dumps({"inputs": [image], "outputs": [{"name": "scores"}]}))
    open(f"{sys.argv[1]}/post-{name}.lua", "w").write(
        f'wrk.method="POST"; wrk.headers["Content-Type"]="application/json"; local f=io.open("{sys.argv[1]}/body-{name}.json"); '
        'wrk.body=f:read("*a"); f:close()\n')
PYTHON

wait_ready() { # port
    until curl -sf "http://127.0.0.1:$1/v2/health/ready" > /dev/null; do sleep 0.005; done
}
load() { # port, model, script, connections: requests a second, p50, p99
    taskset -c 1 wrk -t1 -c"$4" -d"${seconds}s" --timeout 10s --latency -s "$3" "http://127.0.0.1:$1/v2/models/$2/infer" > "$work/wrk"
    grep -q 'Non-2xx' "$work/wrk" && { cat "$work/wrk" >&2; exit 1; }
    awk '/Requests\/sec/ { r = $2 } / 50%/ { a = $2 } / 99%/ { b = $2 } END { print r, a, b }' "$work/wrk"
}
port=$((20000 + RANDOM % 20000))
for model in cnn resnet18; do
    for pair in $(seq "$pairs"); do
        for side in fastapi firebox; do
            begun=$(date +%s%N)
            if [ $side = fastapi ]; then
                script=$folder/post-$model.lua
                (cd "$folder" && exec taskset -c 0 "$python" serve_fastapi_ort.py serve "$folder" $port) > "$work/log" 2>&1 &
            else
                script=$work/post-$model.lua
                taskset -c 0 "$serve" "$work/$model/bundle" --name $model --address 127.0.0.1:$port > "$work/log" 2>&1 &
            fi
            server=$!
            wait_ready $port
            ready=$((($(date +%s%N) - begun) / 1000000))
            for connections in 1 8 64; do
                echo "$model pair $pair $side c$connections $(load $port $model "$script" $connections) (requests/s, p50, p99)"
            done
            echo "$model pair $pair $side ready after $ready ms, $(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$server/status") MiB at most"
            kill "$server"; wait "$server" 2> /dev/null || true
            server=""
            port=$((port + 1))
        done
    done
done
