"""What do scikit-learn's models score on penguins, where the baselines of `firebox select` are linear, neighbours and boosted?

Writes tests/fixtures/baselines.json: the rows of datasets/penguins that have no gap, every fourth of which is for validation, and
what scikit-learn's models of the others score on these. tests/it/select.rs lets Firebox judge its own baselines on the same rows.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scikit-learn pandas
    /tmp/venv/bin/python tests/peers/baselines_sklearn.py [FILE]
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

ROOT = pathlib.Path(__file__).resolve().parent.parent
NEIGHBOURS = 10


def features(train, rows, numbers, categories):
    """Numbers scaled as the training rows say, and a column for each category."""
    scaler = StandardScaler().fit(train[numbers])
    columns = [scaler.transform(rows[numbers])]
    for name in categories:
        columns += [(rows[name] == value).to_numpy(float)[:, None] for value in sorted(train[name].unique())]
    return np.hstack(columns)


def boosted(x, y, new):
    """Friedman's boosting of squared errors, as crates/trainer/src/baselines/boosted.rs has it."""
    model = GradientBoostingRegressor(
        n_estimators=100, learning_rate=0.1, max_depth=3, min_samples_leaf=5, random_state=0
    )
    return model.fit(x, y).predict(new)


def judged_classes(probabilities, right):
    return {
        "accuracy": float((probabilities.argmax(axis=1) == right).mean()),
        "loss": float(-np.log(probabilities[np.arange(len(right)), right]).mean()),
    }


def judged_numbers(told, right):
    return {"mae": float(np.abs(told - right).mean()), "rmse": float(np.sqrt(((told - right) ** 2).mean()))}


def classify(train, new):
    """Which species is it? From too little, so that models differ."""
    numbers, categories = ["bill_depth_mm", "body_mass_g"], ["sex"]
    x, z = features(train, train, numbers, categories), features(train, new, numbers, categories)
    labels = sorted(train.species.unique())
    y, right = (np.array([labels.index(s) for s in rows.species]) for rows in (train, new))
    shares = np.bincount(y) + 1
    neighbours = KNeighborsClassifier(NEIGHBOURS, algorithm="brute").fit(x, y).predict_proba(z) * NEIGHBOURS
    chances = np.stack([boosted(x, (y == k).astype(float), z) for k in range(len(labels))], axis=1)
    chances = chances.clip(0.5 / len(y), 1 - 0.5 / len(y))
    return {
        "constant": judged_classes(np.tile(shares / shares.sum(), (len(right), 1)), right),
        "linear": judged_classes(LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000).fit(x, y).predict_proba(z), right),
        "neighbours": judged_classes((neighbours + 0.5) / (NEIGHBOURS + len(labels) / 2), right),
        "boosted": judged_classes(chances / chances.sum(axis=1, keepdims=True), right),
    }


def regress(train, new):
    """How heavy is it?"""
    numbers, categories = ["bill_depth_mm", "bill_length_mm", "flipper_length_mm"], ["sex", "island"]
    x, z = features(train, train, numbers, categories), features(train, new, numbers, categories)
    y, right = train.body_mass_g.to_numpy(float), new.body_mass_g.to_numpy(float)
    return {
        "constant": judged_numbers(np.full(len(right), y.mean()), right),
        "linear": judged_numbers(Ridge(alpha=1.0).fit(x, y).predict(z), right),
        "neighbours": judged_numbers(KNeighborsRegressor(NEIGHBOURS, algorithm="brute").fit(x, y).predict(z), right),
        "boosted": judged_numbers(boosted(x, y, z), right),
    }


def main():
    penguins = pd.read_csv(ROOT.parent / "datasets" / "penguins" / "penguins.csv").dropna().drop(columns="year")
    held_out = np.arange(len(penguins)) % 4 == 3
    train, new = penguins[~held_out], penguins[held_out]
    fixture = {
        "made_by": "tests/peers/baselines_sklearn.py",
        "scikit_learn": sklearn.__version__,
        "train": train.to_csv(index=False),
        "validation": new.to_csv(index=False),
        "classify": classify(train, new),
        "regress": regress(train, new),
    }
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "fixtures" / "baselines.json"
    out.write_text(json.dumps(fixture, indent=1) + "\n")
    print(out, out.stat().st_size, "bytes")
    print(json.dumps({key: fixture[key] for key in ("classify", "regress")}, indent=1))


main()
