"""What does scikit-learn say about the same answers?

Writes tests/fixtures/metrics.json: fresh random answers with the values that scikit-learn gives for them, which a unit test
of crates/trainer/src/metrics compares with ours.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn numpy
    /tmp/venv/bin/python tests/peers/metrics_sklearn.py            # keeps the committed seed
    /tmp/venv/bin/python tests/peers/metrics_sklearn.py 12345      # another seed
    /tmp/venv/bin/python tests/peers/metrics_sklearn.py 12345 FILE # written elsewhere; FIREBOX_METRICS=FILE makes the test read it
"""

import json
import pathlib
import sys
import warnings

import numpy as np
from sklearn import metrics as sk

warnings.simplefilter("ignore")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 20260
random = np.random.default_rng(SEED)


def rounded(values):
    """Three decimals, as f32, so that both sides read the same numbers from a small file."""
    return np.round(values, 3).astype(np.float32)


def softmax(scores):
    scores = scores.astype(np.float64)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def calibration_error(probabilities, right, weights):
    """Guo et al. 2017, 15 bins (lower, upper]; scikit-learn has no such function."""
    confidence = probabilities.max(axis=1)
    total = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        total += abs((weights[inside] * (right[inside] - confidence[inside])).sum())
    return total / weights.sum()


def auroc(classes, scores, weights):
    """Each class against the rest (the second one of two) by scikit-learn's binary function; the mean of those defined.

    Ranked by log-odds, which are a monotone function of the probability but do not saturate near 0 and 1, rounded so that
    rows with the same scores in another order stay tied: the last bits of a softmax depend on the order.
    """
    scores = scores.astype(np.float64)
    areas = []
    for c in [1] if scores.shape[1] == 2 else range(scores.shape[1]):
        rest = np.delete(scores, c, axis=1)
        odds = scores[:, c] - rest.max(axis=1) - np.log(np.exp(rest - rest.max(axis=1, keepdims=True)).sum(axis=1))
        if 0 < (classes == c).sum() < len(classes):
            areas.append(sk.roc_auc_score(classes == c, odds.round(10), sample_weight=weights))
    return float(np.mean(areas)) if areas else None


def classes_case(name, scores, classes, weights=None, k=None):
    scores = rounded(scores)
    width = scores.shape[1]
    classes = np.asarray(classes)
    keep = classes >= 0
    w_all = None if weights is None else rounded(weights)
    s, y = scores[keep], classes[keep]
    w = np.ones(len(y)) if w_all is None else w_all[keep].astype(np.float64)
    probabilities = softmax(s)
    predicted = s.argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(y, predicted, sample_weight=w),
        "log_loss": sk.log_loss(y, probabilities, sample_weight=w, labels=range(width)),
        "calibration_error": calibration_error(probabilities, (predicted == y).astype(float), w),
        "f1_micro": sk.f1_score(y, predicted, average="micro", sample_weight=w),
        "f1_weighted": sk.f1_score(y, predicted, average="weighted", sample_weight=w),
        "auroc": auroc(y, s, w),
    }
    expected["perplexity"] = float(np.exp(expected["log_loss"]))
    seen = sorted(set(y) | set(predicted))
    for ours, theirs in [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score), ("iou", sk.jaccard_score)]:
        expected[ours] = theirs(y, predicted, average="macro", sample_weight=w, zero_division=0)
        by_class = theirs(y, predicted, average=None, labels=seen, sample_weight=w, zero_division=0)
        for label, value in zip(seen, by_class):
            expected[f"{ours}/class {label}"] = value
    if k:
        # Of equal scores scikit-learn takes the last class and we the first, as for accuracy: the reference is told so.
        ordered = s - 1e-9 * np.arange(width)
        expected[f"top_{k}_accuracy"] = sk.top_k_accuracy_score(y, ordered, k=k, labels=range(width), sample_weight=w)
    matrix = sk.confusion_matrix(y, predicted, labels=range(width), sample_weight=w)
    return {
        "name": name,
        "width": width,
        "scores": [float(f"{v:.3f}") for v in scores.ravel()],
        "classes": classes.tolist(),
        "weights": None if w_all is None else [float(f"{v:.3f}") for v in w_all],
        "k": k,
        "matrix": [float(v) for v in matrix.ravel()],
        "expected": {key: None if value is None else float(value) for key, value in expected.items()},
    }


def values_case(name, answers, truths, weights=None):
    answers, truths = rounded(answers), rounded(truths)
    weights = None if weights is None else rounded(weights)
    a, t = answers.astype(np.float64), truths.astype(np.float64)
    expected = {
        "mae": sk.mean_absolute_error(t, a, sample_weight=weights),
        "rmse": sk.root_mean_squared_error(t, a, sample_weight=weights),
        "r2": sk.r2_score(t, a, sample_weight=weights) if len(t) > 1 else None,
    }
    varies = len(t) > 1 and np.ptp(t, axis=0).max() > 0
    by_spread = sk.r2_score(t, a, sample_weight=weights, multioutput="variance_weighted") if varies else None
    return {
        "name": name,
        "r2_by_spread": None if by_spread is None else float(by_spread),
        "width": answers.shape[1],
        "scores": [float(f"{v:.3f}") for v in answers.ravel()],
        "values": [float(f"{v:.3f}") for v in truths.ravel()],
        "weights": None if weights is None else [float(f"{v:.3f}") for v in weights],
        "expected": {key: None if value is None else float(value) for key, value in expected.items()},
    }


def blobs(rows, width, strength=1.5):
    classes = random.integers(0, width, rows)
    scores = random.normal(size=(rows, width)) * 1.2
    scores[np.arange(rows), classes] += strength
    return scores, classes


def main():
    cases = []
    scores, classes = blobs(90, 5)
    cases.append(classes_case("five classes", scores, classes, k=2))
    scores, classes = blobs(80, 4)
    cases.append(classes_case("weights", scores, classes, random.uniform(0.1, 3, 80), k=3))
    scores, classes = blobs(80, 3)
    cases.append(classes_case("ties", np.round(scores), classes, random.uniform(0.1, 3, 80)))
    scores, classes = blobs(60, 4)
    scores[:, 2] -= 20
    cases.append(classes_case("a class never predicted", scores, classes))
    scores, classes = blobs(60, 4)
    classes[classes == 3] = 1
    scores[:, 3] -= 20
    cases.append(classes_case("a class neither expected nor predicted", scores, classes))
    scores, _ = blobs(30, 3)
    cases.append(classes_case("one class only", scores, np.ones(30, dtype=int)))
    scores, classes = blobs(70, 2, 1.0)
    cases.append(classes_case("two classes", scores, classes, random.uniform(0.1, 3, 70)))
    cases.append(classes_case("two classes with ties", np.round(scores), classes))
    cases.append(classes_case("two classes, one of them there", scores, np.zeros(70, dtype=int)))
    scores, classes = blobs(60, 3)
    classes[::7] = -1
    cases.append(classes_case("rows that do not count", scores, classes, random.uniform(0.1, 3, 60)))
    scores, classes = blobs(50, 3, 30.0)
    cases.append(classes_case("sure of everything", scores * 3, classes))

    truths = random.normal(size=(60, 1)) * 3 + 1000
    regressions = [
        values_case("one number", truths + random.normal(size=(60, 1)), truths),
        values_case("one number, weights", truths + random.normal(size=(60, 1)), truths, random.uniform(0.1, 3, 60)),
    ]
    truths = random.normal(size=(40, 3)) * [1, 10, 100]
    regressions.append(values_case("three numbers", truths + random.normal(size=(40, 3)), truths, random.uniform(0.1, 3, 40)))
    constant = np.full((10, 1), 2.5)
    regressions.append(values_case("a truth that never varies", constant + random.normal(size=(10, 1)), constant))
    regressions.append(values_case("a truth that never varies, met", constant, constant))
    regressions.append(values_case("one row", constant[:1] + 1, constant[:1]))

    committed = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "metrics.json"
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else committed
    fixture = {"made_by": f"tests/peers/metrics_sklearn.py {SEED}", "scikit_learn": __import__("sklearn").__version__}
    fixture |= {"classes": cases, "values": regressions}
    lines = json.dumps(fixture).replace('{"name"', '\n{"name"').replace('], "values": [\n', '\n],\n"values": [\n')
    out.write_text(lines + "\n")
    print(out, out.stat().st_size, "bytes")


main()
