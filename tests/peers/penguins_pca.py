"""How much of the penguins do four principal components give back? The share of the variance that they explain, in sample.

    /tmp/peer/bin/python tests/peers/penguins_pca.py          # needs numpy

Numbers are standardised, gaps filled by the mean, and categories spread out, a gap being a value of its own; all 344 rows.
"""

import csv
from pathlib import Path

import numpy as np

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"]
rows = list(csv.DictReader(open(Path(__file__).parents[2] / "datasets/penguins/penguins.csv", encoding="utf-8")))
numbers = np.array([[float("nan" if row[name] == "NA" else row[name]) for name in NUMBERS] for row in rows])
numbers = np.where(np.isnan(numbers), np.nanmean(numbers, 0), numbers)
columns = [(numbers - numbers.mean(0)) / numbers.std(0)]
for name in ["island", "sex"]:
    values = sorted({row[name] for row in rows})
    columns.append(np.array([[float(row[name] == value) for value in values] for row in rows]))
table = np.hstack(columns)
spread = np.linalg.svd(table - table.mean(0), compute_uv=False) ** 2
print(f"r2 of 4 components: {spread[:4].sum() / spread.sum():.3f}")
