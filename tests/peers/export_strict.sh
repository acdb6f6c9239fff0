#!/usr/bin/env bash
# Do exported weights load strictly into the networks of PyTorch, torchvision, timm and transformers that they are named after, and do those
# answer as the exported graphs do in ONNX Runtime?
#
#     tests/peers/export_strict.sh                     # builds the program, and throws its environment away
#     tests/peers/export_strict.sh gpt patch_tst       # these alone
#     PEERS=/tmp/peer FIREBOX=target/release/firebox tests/peers/export_strict.sh          # keeps the environment, takes this program
#
# `export_twins.py` says at its top which network is loaded into what, and which have no twin in a package and why: airbench, autoencoder, cnn,
# lenet, mlp, resnet, tcn, unet. Ends with 77 where Python is not there or its packages cannot be fetched. Takes 45 s of processor time.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}
needed='torch torchvision timm transformers safetensors rtdl_revisiting_models onnx onnxruntime PIL'
if ! "$peers/bin/python" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))' $needed 2> /dev/null; then
    [ -x "$peers/bin/python" ] || python3 -m venv "$peers" || exit 77
    "$peers/bin/pip" install --quiet --disable-pip-version-check torch torchvision timm transformers numpy safetensors \
        rtdl_revisiting_models onnx onnxruntime pillow || exit 77
fi

if [ -z "${FIREBOX:-}" ]; then
    cargo build --release --quiet
    FIREBOX=target/release/firebox
fi
mkdir "$work/exports"
"$peers/bin/python" tests/peers/export_strict.py "$(realpath "$FIREBOX")" "$work/exports" "$@"
