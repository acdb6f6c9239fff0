#!/usr/bin/env bash
# Do Optuna, its dashboard and TensorBoard read what `firebox sweep export` writes, and is what Optuna wrote brought in as it is?
#
#     tests/peers/sweep_interchange.sh                        # makes environments of its own and throws them away
#     PEERS=/tmp/peers tests/peers/sweep_interchange.sh       # keeps the environments there for the next time
#     BIN=target/debug/firebox tests/peers/sweep_interchange.sh
#
# Ends with 77 where Python is not there or its packages cannot be fetched. Listens on this machine alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=${PEERS:-$work/peers}
bin=$(realpath "${BIN:-target/release/firebox}")
sweep() { "$bin" sweep "$@"; }

environment() { # name, packages
    local place="$peers/$1"
    [ -e "$place/ready" ] && return
    python3 -m venv "$place" || exit 77
    "$place/bin/pip" install --quiet --disable-pip-version-check "${@:2}" || exit 77
    touch "$place/ready"
}
environment optuna 'optuna>=5' optuna-dashboard scikit-learn pandas
environment optuna4 'optuna>=4,<5' scikit-learn pandas
# setuptools, below 81, still brings the pkg_resources that TensorBoard imports.
environment tensorboard tensorboard 'setuptools<81'

card=$(realpath datasets/penguins)
cat > "$work/one.toml" << EOF
seed = 1
[data]
card = "$card"
[model.mlp]
[train]
epochs = 6
batch_size = 32
[sweep]
trials = 12
objectives = ["accuracy"]
[sweep.pruner.median]
[sweep.space]
"model.mlp.hidden" = { each = { low = 8, high = 32, log = true }, count = { low = 1, high = 3 } }
"model.mlp.dropout" = { low = 0.0, high = 0.5, step = 0.1 }
"optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true }
"train.batch_size" = { choices = [16, 32, 64] }
"train.epochs" = 6
EOF
cat > "$work/two.toml" << EOF
seed = 2
[data]
card = "$card"
[model.mlp]
hidden = [8]
[train]
epochs = 3
batch_size = 32
[sweep]
trials = 10
objectives = ["accuracy", "parameters"]
[sweep.searcher.random]
[sweep.space]
optimizer = { choices = ["adamw", "sgd"] }
"optimizer.adamw.learning_rate" = { low = 1e-4, high = 1e-1, log = true, when = { optimizer = "adamw" } }
"optimizer.sgd.learning_rate" = { low = 1e-3, high = 1.0, log = true, when = { optimizer = ["sgd"] } }
"train.batch_size" = { low = 8, high = 64, step = 8 }
"model.mlp.hidden" = { each = { low = 4, high = 32, step = 4 }, count = { low = 0, high = 2 } }
EOF
for study in one two; do
    "$bin" --threads 1 sweep "$work/$study.toml" --run "$work/$study" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
done
# A trial of every kind: one waits, and of two the rows are made to say that they run and failed.
"$bin" sweep enqueue "$work/one" --set train.batch_size=16 > /dev/null
python3 - "$work/one/study.db" << 'EOF'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as on:
    on.execute("UPDATE firebox_trials SET state = 'running', ended = NULL WHERE number = 2")
    on.execute("UPDATE firebox_trials SET state = 'failed', error = 'on purpose', history = '[[9,null]]' WHERE number = 3")
EOF

for study in one two; do
    sweep export "$work/$study" --to optuna --out "$work/$study.db" > /dev/null
    for version in optuna optuna4; do
        cp "$work/$study.db" "$work/copy.db"
        "$peers/$version/bin/python" tests/peers/sweep_optuna.py compare "$work/$study/study.db" "$work/copy.db"
    done
    "$peers/optuna/bin/python" tests/peers/sweep_optuna.py dashboard "$work/$study.db"
done
if sweep export "$work/one" --to optuna --out "$work/one.db" > /dev/null 2>&1; then
    echo "a file that was there was replaced" >&2
    exit 1
fi

for version in optuna optuna4; do
    "$peers/$version/bin/python" tests/peers/sweep_optuna.py make "$work/$version.db" 2> /dev/null
    cp -r "$work/one" "$work/$version"
    # A second time nothing is new.
    for time in first second; do
        "$bin" sweep import "$work/$version" "$work/$version.db" --name theirs --json > "$work/$version.$time.json"
    done
    "$peers/$version/bin/python" tests/peers/sweep_optuna.py brought "$work/$version.db" "$work/$version/study.db" \
        "$work/$version.first.json" "$work/$version.second.json"
done
# Whoever goes on with the study learns from what came along.
"$bin" --threads 1 sweep resume "$work/optuna" --trials 20 > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

for study in one two; do
    sweep export "$work/$study" --to hparams --out "$work/$study.events" > /dev/null
    "$peers/tensorboard/bin/python" tests/peers/sweep_hparams.py "$work/$study/study.db" "$work/$study.events"
done
echo "Optuna 5 and 4, optuna-dashboard and TensorBoard agree with our studies, and Optuna's came along."
