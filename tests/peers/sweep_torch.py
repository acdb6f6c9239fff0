"""The sweeps of sweep_penguins.toml and sweep_mnist.toml by Optuna and PyTorch: the same space, epochs, searcher and pruner.

    python sweep_torch.py penguins|mnist [--jobs N] [--seed S]

Prints one JSON object: the wall seconds since the process began, the best accuracy on the validation part, and how many trials were pruned.
"""
import time

BEGUN = time.time()

import argparse
import csv
import gzip
import json
from pathlib import Path

import numpy as np
import optuna
import torch
from torch import nn
from torch.nn.functional import cross_entropy

DATA = Path(__file__).resolve().parents[2] / "datasets"


def penguins():
    """275 rows to learn from and 69 to judge by; gaps of numbers become the mean, those of words a class of their own."""
    rows = list(csv.DictReader(open(DATA / "penguins" / "penguins.csv")))
    kinds = sorted({row["species"] for row in rows})
    target = np.array([kinds.index(row["species"]) for row in rows])
    columns = []
    for name in ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"):
        values = np.array([float(row[name]) if row[name] not in ("", "NA") else np.nan for row in rows])
        values = (values - np.nanmean(values)) / np.nanstd(values)
        columns.append(np.nan_to_num(values))
    for name in ("island", "sex"):
        words = [row[name] for row in rows]
        columns += [np.array([word == one for word in words], float) for one in sorted(set(words))]
    order = np.random.default_rng(0).permutation(len(rows))
    held = np.zeros(len(rows), bool)
    for kind in range(len(kinds)):
        mine = order[target[order] == kind]
        held[mine[: round(0.2 * len(mine))]] = True
    inputs = torch.tensor(np.stack(columns, 1), dtype=torch.float32)
    target = torch.tensor(target)
    return inputs[~held], target[~held], inputs[held], target[held]


def mnist():
    """6,000 digits to learn from, 5,000 others to judge by."""

    def read(name, skip):
        return np.frombuffer(gzip.open(DATA / "mnist" / name).read()[skip:], np.uint8)

    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = read("train-labels-idx1-ubyte.gz", 8)
    order = np.random.default_rng(0).permutation(len(labels))
    learn, judge = order[:6000], order[6000:11000]
    inputs = torch.tensor(images, dtype=torch.float32)
    inputs = (inputs - inputs[learn].mean()) / inputs[learn].std()
    target = torch.tensor(labels.astype(np.int64))
    return inputs[learn], target[learn], inputs[judge], target[judge]


def perceptron(trial, features):
    width = trial.suggest_int("hidden", 16, 256, log=True)
    layers, size = [], features
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    for _ in range(trial.suggest_int("layers", 1, 3)):
        layers += [nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout)]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 3))


def convolutions(trial, _features):
    hidden = trial.suggest_int("hidden", 32, 256, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    runs = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    runs += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*runs, nn.Linear(32 * 49, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10))


WORK = {
    "penguins": (penguins, perceptron, 50, 40, [16, 32, 64]),
    "mnist": (mnist, convolutions, 20, 8, [32, 64, 128]),
}


def main():
    words = argparse.ArgumentParser()
    words.add_argument("work", choices=WORK)
    words.add_argument("--jobs", type=int, default=1)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--threads", type=int, default=1)
    said = words.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(said.threads)
    load, build, trials, epochs, sizes = WORK[said.work]
    inputs, target, judged, expected = load()

    def objective(trial):
        network = build(trial, inputs[0].numel())
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
        size = trial.suggest_categorical("batch_size", sizes)
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
        best = 0.0
        for epoch in range(epochs):
            network.train()
            for batch in torch.randperm(len(inputs)).split(size):
                optimizer.zero_grad()
                cross_entropy(network(inputs[batch]), target[batch]).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                right = sum((network(x).argmax(1) == y).sum().item() for x, y in zip(judged.split(500), expected.split(500)))
            best = max(best, right / len(judged))
            trial.report(right / len(judged), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned()
        return best

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=4)
    sampler = optuna.samplers.TPESampler(seed=said.seed, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=trials, n_jobs=said.jobs)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
    print(json.dumps({"seconds": time.time() - BEGUN, "best": study.best_value, "trials": len(study.trials), "pruned": pruned}))


main()
