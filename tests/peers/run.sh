#!/usr/bin/env bash
# Do other programs agree with what we compute and write? The light ones: scikit-learn, pandas, pyarrow, cleanlab, TensorBoard.
#
#     tests/peers/run.sh          # makes an environment of its own and throws it away
#     PEERS=/tmp/peers tests/peers/run.sh          # keeps the environment there for the next time
#
# Ends with 77 where Python is not there or its packages cannot be fetched. The scripts beside this one that need PyTorch say
# at their top how to run them.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}

if ! "$peers/bin/python" -c 'import sklearn, tensorboard, pyarrow, pandas, tokenizers, cleanlab, PIL' 2> /dev/null; then
    python3 -m venv "$peers" || exit 77
    # setuptools, below 81, still brings the pkg_resources that TensorBoard imports.
    "$peers/bin/pip" install --quiet --disable-pip-version-check numpy scikit-learn tensorboard 'setuptools<81' \
        pandas pyarrow tokenizers cleanlab pillow || exit 77
fi

# Answers that nobody has seen before, judged by scikit-learn and by us.
seed=$RANDOM
"$peers/bin/python" tests/peers/metrics_sklearn.py "$seed" "$work/metrics.json"
FIREBOX_METRICS="$work/metrics.json" cargo test --release --workspace --lib metrics::tests::values_are_those_of_scikit_learn \
    | grep -E '^test ' | grep values_are_those || { echo "seed $seed: scikit-learn disagrees" >&2; exit 1; }

# Files, transforms and suspicious labels that nobody has seen before, in one run of the tests that read them.
"$peers/bin/python" tests/peers/formats_pyarrow.py "$work/formats" "$seed" > /dev/null
"$peers/bin/python" tests/peers/transforms_sklearn.py "$seed" "$work/transforms.json" > /dev/null
"$peers/bin/python" tests/peers/label_errors_cleanlab.py "$seed" "$work/label_errors.json" > /dev/null
FIREBOX_FORMATS="$work/formats" FIREBOX_TRANSFORMS="$work/transforms.json" FIREBOX_LABEL_ERRORS="$work/label_errors.json" \
    cargo test --release --workspace --lib -- \
    formats:: transforms::peer_tests joint_margins_and_issues_are_those_of_cleanlab > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; echo "seed $seed: pyarrow, scikit-learn, pandas, tokenizers or cleanlab disagrees" >&2; exit 1; }
grep -E '^test ' "$work/log" | grep -E 'peer_tests|every_type|cleanlab'

# A run, killed and resumed, as TensorBoard shows it.
FIREBOX_TENSORBOARD_OUT="$work/tensorboard" cargo test --release --workspace --lib recorders::tensorboard > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
"$peers/bin/python" tests/peers/tensorboard_read.py "$work/tensorboard"
