#!/usr/bin/env bash
# How do LitServe, with ONNX Runtime, and furnace, on burn's own backend for processors, do under the load of serve.sh?
#
#     tests/peers/serve_others.sh FOLDER [SECONDS=4]
#
# FOLDER is that of serve.sh. PYTHON is a Python with litserve, onnxruntime and numpy. furnace is built in FURNACE_TARGET, /tmp/firebox-furnace if
# left out, which takes some minutes. Server and load have a core each. Needs wrk and curl. Not part of any test.
set -euo pipefail
folder=$(realpath "$1")
seconds=${2:-4}
cd "$(dirname "$0")"
command -v wrk > /dev/null || { echo "wrk is missing" >&2; exit 77; }
target=${FURNACE_TARGET:-/tmp/firebox-furnace}
mkdir -p "$target"
cp -r furnace "$target"
(cd "$target/furnace" && CARGO_TARGET_DIR=$target cargo build --release)

port=$((20000 + RANDOM % 20000))
measure() { # label, model, path, program and words, of which PORT is the port
    local label=$1 model=$2 path=$3 begun ready memory=0 process
    shift 3
    port=$((port + 1))
    begun=$(date +%s%N)
    # In a session of its own, to find all its processes.
    setsid taskset -c 0 "${@//PORT/$port}" > /dev/null 2>&1 &
    local server=$!
    until curl -s -o /dev/null "http://127.0.0.1:$port/"; do
        kill -0 $server 2> /dev/null || { echo "$label does not start" >&2; return 1; }
        sleep 0.005
    done
    ready=$((($(date +%s%N) - begun) / 1000000))
    for connections in 1 8 64; do
        taskset -c 1 wrk -t1 -c$connections -d"${seconds}s" --timeout 10s --latency -s "$folder/post-$model.lua" \
            "http://127.0.0.1:$port$path" |
            awk -v what="$label $model c$connections" \
                '/Requests\/sec/ { r = $2 } / 50%/ { a = $2 } / 99%/ { b = $2 } /Non-2xx/ { e = $0 } END { print what, r, a, b, "(requests/s, p50, p99)", e }'
    done
    for process in $(pgrep -s $server); do
        memory=$((memory + $(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$process/status")))
    done
    echo "$label $model listens after $ready ms, $memory MiB at most, all processes together"
    kill -KILL -- -$server
    wait $server 2> /dev/null || true
}

for model in cnn resnet18; do
    for most in 1 8; do
        measure "furnace-$most" $model /v2/models/$model/infer "$target/release/furnace-peer" $model PORT $most
        measure "litserve-$most" $model /predict "${PYTHON:-python3}" serve_litserve.py "$folder" $model PORT $most
    done
done
