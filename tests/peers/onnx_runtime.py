"""Does ONNX Runtime answer as the networks do whose files these are?

    python onnx_runtime.py FOLDER

FOLDER holds a folder for each network: `model.onnx`, and `N.safetensors` with inputs for N examples and `answer NAME`. Every file must
pass onnx.checker with full checks of shapes, run at each N, and answer within 1e-4 of the largest number of an example (at least 1), with
the same largest score. Needs: onnx onnxruntime safetensors numpy.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

TOLERANCE = 1e-4


def difference(wanted: np.ndarray, found: np.ndarray, scores: bool) -> float:
    if wanted.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    wanted, found = (a.reshape(len(a), -1).astype(np.float64) for a in (wanted, found))
    scale = np.maximum(1.0, np.abs(wanted).max(axis=1, keepdims=True))
    if scores:
        rows = np.arange(len(wanted))
        margin = wanted.max(axis=1) - wanted[rows, found.argmax(axis=1)]
        if (margin > TOLERANCE * scale[:, 0]).any():
            return float("inf")
    return float((np.abs(wanted - found) / scale).max())


def main(folder: Path) -> int:
    wrong, worst, files, examples = [], 0.0, 0, 0
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        case = (place / "case.txt").read_text()
        try:
            onnx.checker.check_model(onnx.load(place / "model.onnx"), full_check=True)
            session = onnxruntime.InferenceSession(place / "model.onnx", providers=["CPUExecutionProvider"])
        except Exception as error:  # whatever it is, the file is not one
            wrong.append(f"{case}: {error}")
            continue
        files += 1
        needed = {port.name for port in session.get_inputs()}
        for count in (1, 7, 64):
            tensors = load_file(place / f"{count}.safetensors")
            (answer,) = [name for name in tensors if name.startswith("answer ")]
            feeds = {name: tensors[name] for name in needed}
            try:
                (found,) = session.run(None, feeds)
            except Exception as error:
                wrong.append(f"{case} with {count} examples: {error}")
                continue
            off = difference(tensors[answer], found, answer == "answer scores")
            worst = max(worst, off)
            examples += count
            if off > TOLERANCE:
                wrong.append(f"{case} with {count} examples: differs by {off}")
    print(f"{files} files, {examples} answers; the largest relative difference is {worst:.2e}")
    for line in wrong:
        print("WRONG:", line)
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
