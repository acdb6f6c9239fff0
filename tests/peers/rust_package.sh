#!/usr/bin/env bash
# Is the package that `firebox package --rust` writes one that cargo builds, and does it answer as `firebox predict` does?
#
#     tests/peers/rust_package.sh                                              # builds the program and the package: minutes
#     FIREBOX=target/release/firebox CARGO_TARGET_DIR=/tmp/target tests/peers/rust_package.sh          # takes this program, keeps what is built
#
# Trains a perceptron on penguins. Needs cargo and python3. CARGO_FLAGS says how the package is built.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${FIREBOX:-}" ]; then
    cargo build --release --quiet
    FIREBOX=target/release/firebox
fi
"$FIREBOX" train configs/penguins_mlp.toml --device cpu --run "$work/penguins" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
"$FIREBOX" package "$work/penguins" --rust --crates "$PWD" --seconds 0 --out "$work/packed" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$work/packed/rust" "$work/package"
cp Cargo.lock "$work/package"
cargo run --quiet ${CARGO_FLAGS---release} --manifest-path "$work/package/Cargo.toml" --example answer -- datasets/penguins/penguins.csv > "$work/package.txt"
"$FIREBOX" predict "$work/penguins" datasets/penguins/penguins.csv --device cpu --json > "$work/firebox.json"
python3 - "$work/package.txt" "$work/firebox.json" << 'PYTHON'
import json, re, sys
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
answers = json.load(open(sys.argv[2]))
assert len(lines) == len(answers) == 344, (len(lines), len(answers))
largest = 0.0
for line, answer in zip(lines, answers):
    id, label, scores = re.fullmatch(r"(.*): (\S+)  \((.*)\)", line).groups()
    assert (id, label) == (str(answer["id"]), answer["label"]), (line, answer)
    found = dict(pair.rsplit(" ", 1) for pair in scores.split(", "))
    largest = max([largest, *(abs(float(found[name]) - score) for name, score in answer["scores"])])
assert largest <= 1e-6, largest
print(f"{len(lines)} records are answered alike; the largest difference of a probability is {largest:.1e}")
PYTHON
