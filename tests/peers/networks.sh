#!/usr/bin/env bash
# Do our networks, losses and optimizers answer what PyTorch, torchvision, timm and transformers answer to weights and inputs that nobody has
# seen before?
#
#     tests/peers/networks.sh          # PEERS=/tmp/peer keeps the Python environment there, SEED=7 takes these numbers
#
# What the packages answer is written as the committed fixtures are, and the tests that read those read it instead.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}
if ! "$peers/bin/python" -c 'import torch, torchvision, timm, transformers, safetensors, rtdl_revisiting_models' 2> /dev/null; then
    [ -x "$peers/bin/python" ] || python3 -m venv "$peers" || exit 77
    "$peers/bin/pip" install --quiet --disable-pip-version-check torch torchvision timm transformers numpy safetensors \
        rtdl_revisiting_models || exit 77
fi

export FIREBOX_PARITY=$work FIREBOX_SEED=${SEED:-$RANDOM}
for script in tests/peers/parity_*.py; do
    "$peers/bin/python" "$script" > /dev/null
done
cargo test --release --workspace --test contract -- parity fixture losses optimizers activations > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; echo "seed $FIREBOX_SEED: a package disagrees" >&2; exit 1; }
grep -E '^test .* ok$' "$work/log"
echo "seed $FIREBOX_SEED"
