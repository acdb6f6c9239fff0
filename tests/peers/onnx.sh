#!/usr/bin/env bash
# Do ONNX Runtime and onnx.checker agree with the ONNX files that are written: of every architecture, at batches of 1, 7 and 64, with
# weights of 8 bits, and with the transforms in the graph?
#
#     tests/peers/onnx.sh                        # makes an environment of its own and throws it away
#     PEERS=/tmp/peers tests/peers/onnx.sh       # keeps the environment there for the next time
#
# Ends with 77 where Python is not there or its packages cannot be fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}/onnx
bin=$(realpath "${BIN:-target/release/firebox}")

if [ ! -e "$peers/ready" ]; then
    python3 -m venv "$peers" || exit 77
    "$peers/bin/pip" install --quiet --disable-pip-version-check onnx onnxruntime safetensors numpy || exit 77
    touch "$peers/ready"
fi

echo "== every architecture"
ONNX_FILES=$work/files cargo test --release --test contract -- --ignored --exact onnx::files_for_other_runtimes > "$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
"$peers/bin/python" tests/peers/onnx_runtime.py "$work/files"

echo "== trained models, their rounded forms, and transforms in the graph"
train() { # config, settings ...
    # A goal that is missed is no matter here.
    "$bin" train "configs/$1.toml" --run "$work/$1" "${@:2}" > "$work/log" 2>&1 || [ $? -eq 3 ] || { cat "$work/log"; exit 1; }
}
train penguins_mlp
train mnist_lenet --set train.epochs=1
for config in penguins_mlp mnist_lenet; do
    "$bin" export "$work/$config" --to onnx,int8,int8_static --out "$work/$config/plain"
    "$bin" export "$work/$config" --to onnx --with-preprocessing --out "$work/$config/whole"
done
"$peers/bin/python" tests/peers/onnx_preprocessed.py "$bin" "$work/penguins_mlp" "$work/mnist_lenet"
