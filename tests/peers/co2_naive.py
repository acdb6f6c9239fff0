"""How well do those who only repeat what was foretell the CO2 at Mauna Loa? Prints what the header of configs/co2_patch_tst.toml compares with.

    python3 tests/peers/co2_naive.py    # needs nothing but Python

The windows are those of the test split: two years are known, one is told, and the last 65 windows of all are judged.
"""

import csv
from pathlib import Path

LENGTH, HORIZON, SEASON, TEST = 24, 12, 12, 65
FILE = Path(__file__).resolve().parents[2] / "datasets" / "co2" / "co2.csv"


def mean(values):
    return sum(values) / len(values)


def main():
    with FILE.open(newline="") as file:
        months = [float(row["co2"]) for row in csv.DictReader(file)]
    windows = len(months) - LENGTH - HORIZON + 1
    errors = {"the last value": [], "twelve months before": [], "twelve months before, and the drift": []}
    scaled = []
    for start in range(windows - TEST, windows):
        known = months[start : start + LENGTH]
        truth = months[start + LENGTH : start + LENGTH + HORIZON]
        season = known[-SEASON:]
        drift = mean(season) - mean(known[:SEASON])
        naive = mean([abs(a - b) for a, b in zip(known[SEASON:], known)])
        by_season = [abs(a - b) for a, b in zip(season, truth)]
        scaled.append(mean(by_season) / naive)
        errors["the last value"] += [abs(known[-1] - b) for b in truth]
        errors["twelve months before"] += by_season
        errors["twelve months before, and the drift"] += [abs(a + drift - b) for a, b in zip(season, truth)]
    for name, distances in errors.items():
        print(f"{name}: mae {mean(distances):.4f}")
    print(f"twelve months before: mase {mean(scaled):.4f}")


if __name__ == "__main__":
    main()
