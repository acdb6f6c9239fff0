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
run() { # name, config, settings ...
    # A goal that is missed is no matter here.
    "$bin" train "$2" --run "$work/$1" "${@:3}" > "$work/log" 2>&1 || [ $? -eq 3 ] || { cat "$work/log"; exit 1; }
}
whole() { # name, arguments of export ...
    "$bin" export "$work/$1" --to bundle,onnx --with-preprocessing --out "$work/$1/whole" "${@:2}"
}
with() { # config, transforms: the config with them instead of its own, if it has any
    awk -v transforms="$2" '/^\[data\.transforms/ { skip = 1; next } /^\[/ { skip = 0 }
        /^\[model/ { print transforms } !skip' "configs/$1.toml"
}
run penguins_mlp configs/penguins_mlp.toml
run mnist_lenet configs/mnist_lenet.toml --set train.epochs=1
for name in penguins_mlp mnist_lenet; do
    "$bin" export "$work/$name" --to onnx,int8,int8_static --out "$work/$name/plain"
done
whole penguins_mlp --threshold Adelie=0.2
whole mnist_lenet --calibrate --threshold 1=0.4

# Tables by quantiles and by means of the target; images cut and resized.
with penguins_mlp '[data.transforms.impute]
[data.transforms.quantile]
quantiles = 50
output = "normal"
[data.transforms.target_encode]
' > "$work/tables.toml"
with mnist_lenet '[data.transforms.random_resized_crop]
size = [28, 28]
[data.transforms.normalize]
' > "$work/middle.toml"
with mnist_lenet '[data.transforms.resize]
shorter = 40
filter = "bicubic"
[data.transforms.center_crop]
size = [28, 28]
[data.transforms.normalize]
' > "$work/cut.toml"
run tables "$work/tables.toml" --set data.card="$PWD/datasets/penguins"
for name in middle cut; do
    run "$name" "$work/$name.toml" --set data.card="$PWD/datasets/mnist" --set train.epochs=1
done
for name in tables middle cut; do whole "$name"; done
"$peers/bin/python" tests/peers/onnx_preprocessed.py "$bin" "$work"/{penguins_mlp,mnist_lenet,tables,middle,cut}
