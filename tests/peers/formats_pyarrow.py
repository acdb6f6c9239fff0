"""What do pyarrow, Pillow and Python's tarfile write?

Writes tests/fixtures/formats: small files of each format, and `expected.json` with what their rows are. The unit tests of
crates/data-loader/src/formats read them.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install pyarrow pillow numpy
    /tmp/venv/bin/python tests/peers/formats_pyarrow.py          # where the fixtures lie
    /tmp/venv/bin/python tests/peers/formats_pyarrow.py FOLDER 12345   # elsewhere, from another seed

`FIREBOX_FORMATS=FOLDER` makes the tests read those.
"""

import datetime as dt
import decimal
import io
import json
import pathlib
import sys
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
from PIL import Image

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/formats")
OUT.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 20260)
ROWS = 23


def some(values):
    """Every fifth value is missing."""
    return [None if i % 5 == 3 else value for i, value in enumerate(values)]


def iso(value):
    """As our own rows have it: no zeros behind the point, universal time as Z."""
    if value is None:
        return None
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return iso(value.astimezone(dt.timezone.utc).replace(tzinfo=None)) + "Z"
    text = value.isoformat()
    return text


integers = some(int(x) for x in random.integers(-100, 100, ROWS))
counts = some(int(x) for x in random.integers(0, 200, ROWS))
reals = some(float(np.float32(x)) for x in random.normal(size=ROWS))
halves = some(float(np.float16(x)) for x in random.normal(size=ROWS))
texts = some(["red", "green", "blüe", "grey "][i % 4].strip() for i in range(ROWS))
truths = some(bool(x) for x in random.integers(0, 2, ROWS))
money = some(decimal.Decimal(int(x)).scaleb(-2) for x in random.integers(-99999, 99999, ROWS))
days = some(dt.date(1960, 1, 1) + dt.timedelta(days=int(x)) for x in random.integers(0, 40000, ROWS))
base = dt.datetime(1965, 3, 4, 5, 6, 7)
seconds = some(base + dt.timedelta(seconds=int(x)) for x in random.integers(0, 10**9, ROWS))
millis = some(base + dt.timedelta(milliseconds=int(x) * 1000 + 250) for x in random.integers(0, 10**9, ROWS))
# Odd, because Python writes six digits where three would do.
micros = some(base + dt.timedelta(microseconds=int(x) | 1) for x in random.integers(0, 10**15, ROWS))
berlin = dt.timezone(dt.timedelta(hours=2))
zoned = some((base + dt.timedelta(seconds=int(x))).replace(tzinfo=berlin) for x in random.integers(0, 10**9, ROWS))
times = some(dt.time(int(x) % 24, int(x) % 60, int(x) % 59) for x in random.integers(0, 10**6, ROWS))

# Name, kind in the schema, Arrow type, values, values as expected.
number, word, text = "number", "category", "text"
columns = [(f"i{bits}", number, pa.type_for_alias(f"int{bits}"), integers, integers) for bits in (8, 16, 32, 64)]
columns += [(f"u{bits}", number, pa.type_for_alias(f"uint{bits}"), counts, counts) for bits in (8, 16, 32, 64)]
columns += [
    ("f16", number, pa.float16(), halves, halves),
    ("f32", number, pa.float32(), reals, reals),
    ("f64", number, pa.float64(), reals, reals),
    ("truth", number, pa.bool_(), truths, [None if x is None else int(x) for x in truths]),
    ("truth_word", word, pa.bool_(), truths, [None if x is None else str(x).lower() for x in truths]),
    ("int_word", word, pa.int16(), integers, [None if x is None else str(x) for x in integers]),
    ("decimal", number, pa.decimal128(9, 2), money, [None if x is None else float(x) for x in money]),
    ("decimal_word", word, pa.decimal128(20, 2), money, [None if x is None else str(x) for x in money]),
    ("decimal256", number, pa.decimal256(50, 2), money, [None if x is None else float(x) for x in money]),
    ("string", text, pa.string(), texts, texts),
    ("large_string", word, pa.large_string(), texts, texts),
    ("string_view", word, pa.string_view(), texts, texts),
    ("dictionary", word, pa.dictionary(pa.int8(), pa.string()), texts, texts),
    ("large_dictionary", word, pa.dictionary(pa.int32(), pa.large_string()), texts, texts),
    ("date32", word, pa.date32(), days, [iso(x) for x in days]),
    ("date64", word, pa.date64(), days, [None if x is None else f"{iso(x)}T00:00:00" for x in days]),
    ("second", word, pa.timestamp("s"), seconds, [iso(x) for x in seconds]),
    ("milli", word, pa.timestamp("ms"), millis, [None if x is None else iso(x)[:-3] for x in millis]),
    ("micro", word, pa.timestamp("us"), micros, [iso(x) for x in micros]),
    ("nano", word, pa.timestamp("ns"), seconds, [iso(x) for x in seconds]),
    ("zoned", word, pa.timestamp("us", "Europe/Berlin"), zoned, [iso(x) for x in zoned]),
    ("utc", word, pa.timestamp("ms", "UTC"), zoned, [iso(x) for x in zoned]),
    ("time32", word, pa.time32("s"), times, [iso(x) for x in times]),
    ("time64", word, pa.time64("us"), times, [iso(x) for x in times]),
    ("nothing", number, pa.null(), [None] * ROWS, [None] * ROWS),
]
table = pa.table({name: pa.array(values, type=kind) for name, _, kind, values, _ in columns})
labels = pa.array([i % 3 for i in range(ROWS)], type=pa.int64())
table = table.append_column("y", labels).append_column("list", pa.array([[1.0, 2.0]] * ROWS))
features = {"y": {"names": ["ant", "bee", "cat"], "_type": "ClassLabel"}}
table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
expected = {
    "rows": ROWS,
    "kinds": {name: kind for name, kind, _, _, _ in columns},
    "values": {name: values for name, _, _, _, values in columns},
    "y": [["ant", "bee", "cat"][i % 3] for i in range(ROWS)],
}
(OUT / "expected.json").write_text(json.dumps(expected, ensure_ascii=False))

# Parquet does not know f16 dictionaries and the like in every writer; all of these columns it knows.
for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    for version in ["1.0", "2.0"] if codec in ["none", "snappy"] else ["2.0"]:
        path = OUT / f"all-{codec}-v{version[0]}.parquet"
        pq.write_table(table, path, compression=codec, row_group_size=10, data_page_version=version)
pq.write_table(table, OUT / "all-int96.parquet", use_deprecated_int96_timestamps=True, use_dictionary=False)
pq.write_table(table.slice(0, 0), OUT / "empty.parquet")

for codec in [None, "lz4", "zstd"]:
    options = pa.ipc.IpcWriteOptions(compression=codec)
    name = codec or "none"
    with pa.ipc.new_file(OUT / f"all-{name}.feather", table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks(), max_chunksize=10)
    with pa.ipc.new_stream(OUT / f"all-{name}.arrow", table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks(), max_chunksize=10)


def png(seed):
    """A small picture of random pixels as PNG bytes, and its pixels channel by channel."""
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue(), pixels.transpose(2, 0, 1).flatten().tolist()


# A folder as Hugging Face publishes images.
kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
metadata = {"huggingface": json.dumps({"info": {"features": features}})}
(OUT / "hugging_face/data").mkdir(parents=True, exist_ok=True)
pictures = {}
for part, files, rows in [("train", 2, 4), ("validation", 1, 2), ("test", 1, 2)]:
    for number in range(files):
        seeds = [hash_ for hash_ in range(len(pictures), len(pictures) + rows)]
        made = [png(seed) for seed in seeds]
        name = f"data/{part}-{number:05}-of-{files:05}.parquet"
        for seed, (_, pixels) in zip(seeds, made):
            pictures[str(seed)] = {"file": name, "row": seed - seeds[0], "part": part, "pixels": pixels, "label": ["cat", "dog"][seed % 2]}
        images = pa.array([{"bytes": bytes_, "path": f"{seed}.png"} for seed, (bytes_, _) in zip(seeds, made)], type=kind)
        images = pa.table({"image": images, "label": pa.array([seed % 2 for seed in seeds], type=pa.int64())})
        pq.write_table(images.replace_schema_metadata(metadata), OUT / "hugging_face" / name)
(OUT / "hugging_face/expected.json").write_text(json.dumps(pictures))

# Shards in the layout of WebDataset, one plain, one with gzip, one with zstd, with long names as GNU and pax write them.
shards = OUT / "shards"
shards.mkdir(exist_ok=True)
samples = {}
for name, packing, form in [
    ("train-000.tar", "", tarfile.USTAR_FORMAT),
    ("train-001.tar.gz", "gzip", tarfile.GNU_FORMAT),
    ("test-000.tar.zst", "zstd", tarfile.PAX_FORMAT),
]:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for row in range(3):
            key = f"00{row}" if form == tarfile.USTAR_FORMAT else "folder/" * 20 + f"bücher-{row}"
            picture, pixels = png(len(samples) + 100)
            sample = {"cls": str(row % 2), "txt": f"picture {row}, größer", "json": json.dumps({"id": f"id-{row}", "size": row + 0.5, "y": "no"})}
            samples[f"{name}/{key}"] = {**sample, "pixels": pixels}
            for ending, content in [("png", picture)] + [(ending, text.encode()) for ending, text in sample.items()]:
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    content = file.getvalue()
    if packing:
        content = pa.compress(content, packing, asbytes=True)
    (shards / name).write_bytes(content)
(shards / "expected.json").write_text(json.dumps(samples, ensure_ascii=False))

# Masks as Pillow writes them: grey, with a palette of few and of many colours, in one bit, and what is no mask.
for name in ["images", "masks", "wrong"]:
    (OUT / "masks" / name).mkdir(parents=True, exist_ok=True)
classes = {}
for name, mode, most in [("grey", "L", 4), ("palette2", "P", 2), ("palette4", "P", 4), ("palette256", "P", 256), ("bit", "1", 2)]:
    values = random.integers(0, most, (5, 7), dtype=np.uint8)
    values[0, 0] = most - 1
    if mode == "1":
        mask = Image.fromarray(values.astype(bool))
    else:
        mask = Image.fromarray(values)
    if mode == "P":
        mask = mask.convert("L")
        mask = Image.frombytes("P", (7, 5), values.tobytes())
        mask.putpalette([int(x) for x in random.integers(0, 256, 3 * most)])
    mask.save(OUT / f"masks/masks/{name}.png", **({"transparency": 0} if name == "palette4" else {}))
    classes[name] = values.flatten().tolist()
    Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8)).save(OUT / f"masks/images/{name}.png")
Image.fromarray(np.zeros((5, 7, 3), dtype=np.uint8)).save(OUT / "masks/wrong/colour.png")
Image.fromarray(np.full((5, 7), 300, dtype=np.uint16)).save(OUT / "masks/wrong/deep.png")
(OUT / "masks/expected.json").write_text(json.dumps(classes))
