"""How long do pandas and polars take from a table on the disk to batches of numbers?

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install numpy pandas polars pyarrow
    /tmp/peer/bin/python tests/peers/table_loader.py make /tmp/table --gigabytes 1         # folders csv and parquet
    /tmp/peer/bin/python tests/peers/table_loader.py run /tmp/table --peer pandas --format csv --threads 2

`make` writes columns x0 to x39 of normal numbers with six places behind the point, and a target y that follows from four of
them. `run` reads the table, turns the columns into one array of 32-bit numbers, cuts it into batches of 1,024 rows and adds all
numbers up, so that none of them can be left out; it prints JSON with the seconds of the whole. Measure the programs in turn:
ours is `TABLE=/tmp/table/csv cargo test --release -p data-loader --test table_loader -- --ignored --nocapture`.
"""

import argparse
import json
import os
import time

COLUMNS = 40
BATCH = 1024


def make(folder, gigabytes, parquet):
    import numpy as np

    formats = ["csv", "parquet"] if parquet else ["csv"]
    for form in formats:
        os.makedirs(os.path.join(folder, form), exist_ok=True)
    path = os.path.join(folder, "csv", "table.csv")
    random = np.random.default_rng(0)
    names = [f"x{i}" for i in range(COLUMNS)] + ["y"]
    pool = 1 << 16
    writer = None
    with open(path, "w", buffering=1 << 22) as file:
        file.write(",".join(names) + "\n")
        while file.tell() < gigabytes * 1e9:
            x = random.standard_normal((pool, COLUMNS)).round(6)
            y = x[:, 0] - 2 * x[:, 1] + 0.5 * x[:, 2] * x[:, 3] + 0.1 * random.standard_normal(pool)
            table = np.column_stack([x, y.round(6)])
            import polars

            frame = polars.DataFrame(table, schema=names)
            file.write(frame.write_csv(include_header=False, float_precision=6))
            if parquet:
                import pyarrow.parquet as pq

                arrow = frame.to_arrow()
                writer = writer or pq.ParquetWriter(os.path.join(folder, "parquet", "table.parquet"), arrow.schema)
                writer.write_table(arrow)
    if writer:
        writer.close()
    features = "\n".join(f'{name} = "number"' for name in names[:-1])
    for form in formats:
        card = f"""name = "synthetic"
title = "Synthetic table"
summary = "Normal numbers, and a target that follows from four of them"
source = "tests/peers/table_loader.py"
licence = "CC0-1.0"
citation = "none"
[format.{form}]
[[files]]
path = "table.{form}"
[schema]
target = {{ name = "y", kind = "number" }}
[schema.features]
{features}
"""
        with open(os.path.join(folder, form, "card.toml"), "w") as file:
            file.write(card)


def run(folder, peer, form, threads):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import numpy as np

    path = os.path.join(folder, form, f"table.{form}")
    if peer == "pandas":
        import pandas

        start = time.perf_counter()
        frame = pandas.read_csv(path) if form == "csv" else pandas.read_parquet(path)
        array = frame.to_numpy(dtype=np.float32)
    else:
        import polars

        start = time.perf_counter()
        frame = polars.read_csv(path) if form == "csv" else polars.read_parquet(path)
        array = frame.cast(polars.Float32).to_numpy(order="c")
    read = time.perf_counter() - start
    total, batches = 0.0, 0
    for place in range(0, len(array), BATCH):
        batch = np.ascontiguousarray(array[place : place + BATCH])
        total += float(batch.sum(dtype=np.float64))
        batches += 1
    seconds = time.perf_counter() - start
    found = {"peer": peer, "format": form, "threads": threads, "seconds": round(seconds, 3), "reading": round(read, 3)}
    print(json.dumps({**found, "rows": len(array), "batches": batches, "sum": round(total, 3)}))


parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["make", "run"])
parser.add_argument("folder")
parser.add_argument("--gigabytes", type=float, default=1.0)
parser.add_argument("--no-parquet", action="store_true")
parser.add_argument("--peer", choices=["pandas", "polars"], default="polars")
parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
if arguments.what == "make":
    make(arguments.folder, arguments.gigabytes, not arguments.no_parquet)
else:
    run(arguments.folder, arguments.peer, arguments.format, arguments.threads)
