"""What does cleanlab find in the same probabilities?

Writes tests/fixtures/label_errors.json: random labels and probabilities with what cleanlab finds in them, which a unit test of
crates/data-loader/src/checks/label_errors.rs compares with ours.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy cleanlab
    /tmp/venv/bin/python tests/peers/label_errors_cleanlab.py            # keeps the committed seed
    /tmp/venv/bin/python tests/peers/label_errors_cleanlab.py 12345      # another seed
    /tmp/venv/bin/python tests/peers/label_errors_cleanlab.py 12345 FILE # elsewhere; FIREBOX_LABEL_ERRORS=FILE makes the test read it
"""

import json
import pathlib
import sys

import cleanlab
import numpy as np
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_normalized_margin_for_each_label

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 20261
random = np.random.default_rng(SEED)


def case(examples, classes, noise, sharpness, shares=None):
    """True classes, labels of which a share is flipped, and probabilities that lean towards the true class."""
    shares = np.full(classes, 1 / classes) if shares is None else np.array(shares)
    truth = random.choice(classes, examples, p=shares)
    truth[:classes] = np.arange(classes)  # each class occurs
    given = truth.copy()
    flipped = np.flatnonzero(random.random(examples) < noise)
    flipped = flipped[flipped >= classes]
    given[flipped] = (truth[flipped] + random.integers(1, classes, len(flipped))) % classes
    scores = random.normal(size=(examples, classes))
    scores[np.arange(examples), truth] += sharpness
    probabilities = np.exp(scores)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    # Five decimals keep the file small; what is left of the sum of 1 is within 1e-4.
    probabilities = np.round(probabilities, 5).astype(np.float32)
    wide = probabilities.astype(np.float64)
    counts = compute_confident_joint(given, wide, calibrate=False)
    calibrated = compute_confident_joint(given, wide, calibrate=True)
    issues = find_label_issues(given, wide, filter_by="prune_by_noise_rate", n_jobs=1)
    return {
        "classes": classes,
        "given": given.tolist(),
        "probabilities": [float(f"{p:.5f}") for p in probabilities.ravel()],
        "confident_joint": counts.tolist(),
        "calibrated_joint": calibrated.tolist(),
        "issues": np.flatnonzero(issues).tolist(),
        "margins": [round(float(m), 7) for m in get_normalized_margin_for_each_label(given, wide)],
    }


cases = [
    case(300, 3, 0.10, 3.0),
    case(200, 2, 0.20, 1.5),
    case(400, 6, 0.05, 4.0, [0.5, 0.2, 0.1, 0.1, 0.05, 0.05]),
    case(150, 4, 0.30, 1.0),
    case(120, 3, 0.00, 0.3),
]
out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parents[1] / "fixtures/label_errors.json"
out.write_text(json.dumps({"cleanlab": cleanlab.__version__, "seed": SEED, "cases": cases}, separators=(",", ":")) + "\n")
print(f"{out}: {len(cases)} cases, {[len(c['issues']) for c in cases]} issues")
