"""Does ONNX Runtime answer records as they are read as `firebox predict` does, by a file with the transforms in it?

    python onnx_preprocessed.py FIREBOX RUN...

Each RUN holds `whole/`, written by `firebox export --to bundle,onnx --with-preprocessing`, perhaps with `--calibrate` and `--threshold`, and
may hold `plain/`, with the rounded forms. Golden samples of its bundle are asked as they were read; of tables also rows with gaps and with
categories that training never saw. Probabilities must lie within 1e-5 (within 2e-2 where images are resized within the graph), labels be
equal; of images both are computed here once more, from the scores. Rounded forms must load and name the same class for 97 of 100 examples.
Needs: onnx onnxruntime numpy.
"""

import base64
import csv
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def session(path: Path) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def rows(run: Path) -> list[dict]:
    """The golden samples as they were read, by column."""
    golden = json.loads((run / "bundle" / "golden.json").read_text())
    return [{name: field for name, field in sample["fields"]} for sample in golden["samples"]], golden["samples"]


def table(firebox: str, run: Path) -> float:
    model = session(run / "whole" / "model.onnx")
    ports = {port.name: port.type for port in model.get_inputs()}
    fields, _ = rows(run)
    # How the file says that there is nothing.
    gap = json.loads((run / "bundle" / "pipeline.json").read_text())["schema"].get("missing", [""])[0]
    records = []
    for row in fields:
        plain = {}
        for name in ports:
            field = row.get(name, "missing")
            plain[name] = None if field == "missing" else next(iter(field.values()))
        records.append(plain)
    # Each column once with a gap; categories once as training never saw them.
    for name, kind in ports.items():
        records.append({**records[0], name: None})
        if "string" in kind:
            records.append({**records[1], name: "never seen"})
    feeds = {}
    for name, kind in ports.items():
        values = [record[name] for record in records]
        if "string" in kind:
            feeds[name] = np.array([[value or ""] for value in values], dtype=object)
        else:
            feeds[name] = np.array([[np.nan if value is None else value] for value in values], dtype=np.float64)
    scores, probabilities, labels = model.run(["scores", "probabilities", "label"], feeds)
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ports)
        writer.writerows([[gap if record[name] is None else record[name] for name in ports] for record in records])
        file.flush()
        asked = [firebox, "predict", run / "whole" / "bundle", file.name, "--json", "--device", "cpu"]
        ended = subprocess.run(asked, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        told = json.loads(ended.stdout)
    assert len(told) == len(records), (len(told), len(records))
    wanted = np.array([[value for _, value in answer["scores"]] for answer in told])
    assert [answer["label"] for answer in told] == list(labels), "labels differ"
    return float(np.abs(wanted - probabilities).max())


def images(firebox: str, run: Path) -> float:
    model = session(run / "whole" / "model.onnx")
    (port,) = model.get_inputs()
    _, samples = rows(run)
    worst = 0.0
    for sample in samples:
        (image,) = [field["image"] for _, field in sample["fields"] if "image" in field]
        shape = (1, image["channels"], image["height"], image["width"])
        pixels = np.frombuffer(base64.b64decode(image["pixels"]), dtype=np.uint8).reshape(shape)
        scores, probabilities, labels = model.run(["scores", "probabilities", "label"], {port.name: pixels})
        wanted = np.array(sample["output"])
        worst = max(worst, float(np.abs(scores[0] - wanted).max() / max(1.0, np.abs(wanted).max())))
        # What the manifest says that scores mean.
        manifest = json.loads((run / "whole" / "bundle" / "manifest.json").read_text())
        names = manifest["signature"]["output"]["classes"]["labels"]
        scaled = scores[0].astype(np.float64) / manifest.get("calibration", {"temperature": 1.0})["temperature"]
        meant = np.exp(scaled - scaled.max()) / np.exp(scaled - scaled.max()).sum()
        assert np.abs(meant - probabilities[0]).max() < 1e-5, "probabilities differ"
        given = manifest.get("thresholds", {})
        rest = (1 - sum(given.values())) / max(1, len(names) - len(given))
        assert names[int(np.argmax(meant / [given.get(name, rest) for name in names]))] == labels[0], "labels differ"
    return worst


def digits(model: onnxruntime.InferenceSession) -> np.ndarray:
    """Digits that were not learnt from, as the network reads them."""
    (file,) = Path("datasets/mnist").glob("t10k-images*")
    with gzip.open(file) as data:
        pixels = np.frombuffer(data.read(16 + 256 * 784), dtype=np.uint8)[16:].reshape(256, 1, 28, 28)
    (image,) = json.loads(model.get_modelmeta().custom_metadata_map["firebox.signature"])["inputs"]
    mean, std = (np.float32(image["kind"]["image"][key][0]) for key in ("mean", "std"))
    return (pixels.astype(np.float32) / 255 - mean) / std


def rounded(run: Path, is_image: bool) -> str:
    """The forms of 8 bits beside the file of 32: on digits, or on numbers such as transforms make them."""
    plain = session(run / "plain" / "model.onnx")
    random = np.random.default_rng(7)
    feeds = {}
    for port in plain.get_inputs():
        shape = [256 if isinstance(size, str) else size for size in port.shape]
        if is_image:
            feeds[port.name] = digits(plain)
        elif port.type == "tensor(float)":
            feeds[port.name] = random.normal(size=shape).astype(np.float32)
        else:
            feeds[port.name] = random.integers(0, 2, size=shape)
    (wanted,) = plain.run(None, feeds)
    said = []
    for name in ("int8", "int8-static"):
        (found,) = session(run / "plain" / f"model.{name}.onnx").run(None, feeds)
        same = float((found.argmax(axis=1) == wanted.argmax(axis=1)).mean())
        assert same >= 0.97, f"{name} names the same class for {same:.1%} only"
        said.append(f"{name} names the same class for {same:.1%}")
    return ", ".join(said)


def main(firebox: str, runs: list[str]) -> int:
    for name in runs:
        run = Path(name)
        is_image = any("image" in field for row in rows(run)[0] for field in row.values() if isinstance(field, dict))
        worst = images(firebox, run) if is_image else table(firebox, run)
        forms = f"; {rounded(run, is_image)}" if (run / "plain").exists() else ""
        print(f"{run.name}: answers differ by {worst:.1e} at most{forms}")
        resizes = any("resize" in name for name in json.dumps(json.loads((run / "bundle" / "pipeline.json").read_text())).split('"'))
        if worst > (2e-2 if resizes else 1e-5):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
