"""Scores of scikit-learn's isolation forest, which crates/data-loader/src/checks/isolation_forest_tests.rs compares with ours.

    pip install scikit-learn
    python tests/peers/isolation_forest_sklearn.py      # writes crates/data-loader/tests/fixtures/isolation_forest.csv
"""
import csv, os
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest

columns = load_breast_cancer().data[:, :6]
# The mean over many forests: what is left between two of them is chance.
scores = np.mean([-IsolationForest(n_estimators=100, max_samples=256, random_state=seed).fit(columns).score_samples(columns)
                  for seed in range(10)], axis=0)
path = os.path.join(os.path.dirname(__file__), "../../crates/data-loader/tests/fixtures/isolation_forest.csv")
os.makedirs(os.path.dirname(path), exist_ok=True)
with open(path, "w") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow([f"c{i}" for i in range(6)] + ["score"])
    for row, score in zip(columns, scores):
        out.writerow([repr(float(v)) for v in row] + [f"{score:.6f}"])
