#!/usr/bin/env bash
# Do a graphics adapter and the processor learn alike?
#
#     tests/smoke_wgpu.sh [DEVICE]        # wgpu:0 if left out; an adapter that is software is good enough
#
# Trains 20 steps of configs/mnist_mlp.toml on both and compares the recorded losses to 1e-3 of their size. `firebox` is
# taken from target/release, or from where FIREBOX says.
set -euo pipefail
cd "$(dirname "$0")/.."

device=${1:-wgpu:0}
firebox=${FIREBOX:-${CARGO_TARGET_DIR:-target}/release/firebox}
steps=20
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT

# Without it drivers complain; the search for the fastest kernel would take longer than the twenty steps.
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$runs}
export CUBECL_AUTOTUNE_LEVEL=minimal

losses() { # DEVICE: trains, and prints "step loss" for each step
    timeout -k 10 300 "$firebox" train configs/mnist_mlp.toml --json --device "$1" --run "$runs/$1" \
        --set train.steps="$steps" --set train.record_every=1 --set train.evaluate_every="$steps" > "$runs/$1.json" || {
        # A goal that twenty steps cannot reach (3) is no failure here.
        local code=$?
        [ "$code" -eq 3 ] || { cat "$runs/$1.json" >&2; echo "training on $1 ended with code $code" >&2; return 1; }
    }
    awk '/"kind":"progress"/ {
        match($0, /"step":[0-9]+/); step = substr($0, RSTART + 7, RLENGTH - 7)
        match($0, /"loss":[-+.eE0-9]+/); print step, substr($0, RSTART + 7, RLENGTH - 7)
    }' "$runs/$1/metrics.jsonl"
}

losses cpu > "$runs/cpu.losses"
losses "$device" > "$runs/device.losses"
paste -d ' ' "$runs/cpu.losses" "$runs/device.losses" | awk -v steps="$steps" -v device="$device" '
    NF != 4 || $1 != $3 { print "step " $1 " met step " $3; bad = 1 }
    { apart = ($2 - $4) / $2; if (apart < 0) apart = -apart; if (apart > most) most = apart }
    apart > 1e-3 { print "step " $1 ": the loss is " $2 " on cpu and " $4 " on " device; bad = 1 }
    END {
        if (NR != steps) { print NR " steps were recorded, " steps " were wanted"; bad = 1 }
        if (bad) exit 1
        printf "%d losses on %s are those on cpu, the farthest %.1e of its size apart\n", NR, device, most
    }'
