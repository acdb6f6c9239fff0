#!/usr/bin/env bash
# How much memory does a training take whose table is larger than memory? Makes a CSV file of so many gigabytes, trains a small
# network on it, and tells the most memory that the process held. Not run with the others: it takes minutes and a large disk.
#
#     tests/peers/larger_than_memory.sh FOLDER [GIGABYTES]          # 10 by default; FIREBOX and PYTHON name the programs
#
# PYTHON needs numpy and polars, with which the table is written.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1 gigabytes=${2:-10}
firebox=${FIREBOX:-target/release/firebox}

[ -e "$folder/csv/table.csv" ] || "${PYTHON:-python3}" tests/peers/table_loader.py make "$folder" --gigabytes "$gigabytes" --no-parquet
cat > "$folder/config.toml" << END
device = "cpu"
[data]
card = "csv"
[data.split.random]
validation = 4096
test = 4096
[model.mlp]
hidden = [64]
[train]
steps = 300
batch_size = 256
END
rm -rf "$folder/run"
start=$SECONDS
"$firebox" train "$folder/config.toml" --run "$folder/run" > "$folder/log" 2>&1 &
pid=$!
most=0
while kill -0 "$pid" 2> /dev/null; do
    held=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2> /dev/null || true)
    [ -z "$held" ] || most=$held
    sleep 0.5
done
wait "$pid" || { tail -5 "$folder/log" >&2; exit 1; }
bytes=$(stat -c %s "$folder/csv/table.csv")
printf '%d bytes of CSV, %d steps in %d s, at most %d MB resident\n' "$bytes" 300 $((SECONDS - start)) $((most * 1024 / 1000000))
[ $((most * 1024)) -lt 1000000000 ] || { echo "more than 1 GB" >&2; exit 1; }
