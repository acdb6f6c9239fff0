#!/usr/bin/env bash
# Are the searchers of our sweeps as good as Optuna's, on functions whose least values are known?
#
#     tests/peers/sweep_quality.sh          # PEERS=/tmp/peer keeps the Python environment there, SEED=7 takes the seeds from 7 on
#     CACHE=/tmp/optuna.json tests/peers/sweep_quality.sh          # keeps what Optuna found, which takes most of the time
#
# Some twenty minutes, most of them for Optuna's Gaussian processes. Prints a table and ends with 1 where one of ours is worse.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}
if ! "$peers/bin/python" -c 'import optuna, scipy, torch, cmaes' 2> /dev/null; then
    [ -x "$peers/bin/python" ] || python3 -m venv "$peers" || exit 77
    "$peers/bin/pip" install --quiet --disable-pip-version-check optuna scipy torch cmaes || exit 77
fi

export FIREBOX_SEED=${SEED:-$RANDOM} FIREBOX_SWEEP_QUALITY=$work/ours.json
cargo test --release -p trainer --lib -- --ignored the_best_of_each_searcher_is_written_down > "$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
# Torch with several threads is slower on matrices as small as these.
OMP_NUM_THREADS=1 "$peers/bin/python" tests/peers/sweep_quality.py "$work/ours.json"
