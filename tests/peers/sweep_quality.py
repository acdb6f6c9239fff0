"""Are the searchers of our sweeps as good as Optuna's?

    python sweep_quality.py OURS.json     # what crates/trainer wrote there; FIREBOX_SEED says with which seeds, as for the test

tests/peers/sweep_quality.sh runs the test that writes the file, and then this. Optuna's samplers try the same functions with as many trials and
seeds. Of each searcher, function and number of trials the best losses of both are compared by the one-sided rank test of Mann and Whitney, ours
being worse; with Holm's correction for all comparisons. It ends with 1 where ours is worse (p < 0.01).

Optuna's Gaussian processes take most of the time. CACHE=FILE keeps what Optuna found, by sampler, function and seed.
"""

import json
import math
import os
import statistics
import sys
import warnings

import optuna
from scipy.stats import mannwhitneyu

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

FIRST = int(os.environ.get("FIREBOX_SEED", "0"))
SEEDS = range(FIRST, FIRST + 20)
ALPHA = 0.01
# After how many trials the best is looked at.
BUDGETS = {"zdt1": (100, 200)}
USUAL = (50, 100)
# Of hypervolumes, the point that is worse than all of interest.
REFERENCE = (1.1, 7.0)
GRID = [-5.0 + 1.5 * k for k in range(11)], [1.5 * k for k in range(11)]


def branin_of(x, y):
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10


def branin(trial):
    return branin_of(trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15))


def branin_grid(trial):
    return branin_of(trial.suggest_float("x", -5, 10, step=1.5), trial.suggest_float("y", 0, 15, step=1.5))


def hartmann(trial, a, p):
    x = [trial.suggest_float(f"x{k}", 0, 1) for k in range(len(a[0]))]
    peaks = zip((1.0, 1.2, 3.0, 3.2), a, p)
    return -sum(h * math.exp(-sum(w * (u - v) ** 2 for w, u, v in zip(ws, x, vs))) for h, ws, vs in peaks)


def hartmann3(trial):
    a = [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]
    p = [[0.3689, 0.1170, 0.2673], [0.4699, 0.4387, 0.7470], [0.1091, 0.8732, 0.5547], [0.0381, 0.5743, 0.8828]]
    return hartmann(trial, a, p)


def hartmann6(trial):
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
    return hartmann(trial, a, p)


def rosenbrock4(trial):
    x = [trial.suggest_float(f"x{k}", -2.048, 2.048) for k in range(4)]
    return sum(100 * (v - u * u) ** 2 + (1 - u) ** 2 for u, v in zip(x, x[1:]))


def ackley5(trial):
    x = [trial.suggest_float(f"x{k}", -5, 10) for k in range(5)]
    near = 20 * math.exp(-0.2 * math.sqrt(sum(u * u for u in x) / 5))
    return 20 + math.e - near - math.exp(sum(math.cos(2 * math.pi * u) for u in x) / 5)


def conditional(trial):
    """Two arms with parameters of their own, of which the second is a little better."""
    loss = 0.05 * (math.log10(trial.suggest_float("penalty", 1e-6, 1e-1, log=True)) + 3.5) ** 2
    if trial.suggest_categorical("arm", ["smooth", "rough"]) == "smooth":
        loss += 0.15 + 0.1 * (math.log10(trial.suggest_float("rate", 1e-4, 1, log=True)) + 2.2) ** 2
        return loss + 0.5 * (trial.suggest_float("momentum", 0, 0.99) - 0.8) ** 2
    loss += 0.1 + 0.02 * abs(trial.suggest_int("depth", 1, 12) - 7)
    loss += {"a": 0.2, "b": 0.0, "c": 0.1}[trial.suggest_categorical("leaf", ["a", "b", "c"])]
    return loss + (trial.suggest_float("shrink", 0, 1, step=0.05) - 0.35) ** 2


def zdt1(trial):
    x = [trial.suggest_float(f"x{k}", 0, 1) for k in range(5)]
    g = 1 + 9 * sum(x[1:]) / 4
    return x[0], g * (1 - math.sqrt(x[0] / g))


FUNCTIONS = {f.__name__: f for f in (branin, hartmann3, hartmann6, rosenbrock4, ackley5, conditional, branin_grid, zdt1)}
SINGLE = [name for name in FUNCTIONS if name not in ("branin_grid", "zdt1")]
SAMPLERS = {
    "cma_es": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "gaussian_process": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "grid": lambda seed: optuna.samplers.GridSampler(dict(zip("xy", GRID)), seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "sobol": lambda seed: optuna.samplers.QMCSampler(qmc_type="sobol", scramble=True, seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(multivariate=True, seed=seed),
    "tpe_univariate": lambda seed: optuna.samplers.TPESampler(multivariate=False, seed=seed),
}


def hypervolume(losses):
    """How much of what is better than the reference is reached, by two objectives."""
    area, height = 0.0, REFERENCE[1]
    for x, y in sorted(losses):
        if x < REFERENCE[0] and y < height:
            area += (REFERENCE[0] - x) * (height - y)
            height = y
    return area


def best(sampler, function, seed):
    """What Optuna found after each number of trials; less is better."""
    budgets = BUDGETS.get(function, USUAL)
    study = optuna.create_study(directions=["minimize"] * (2 if function == "zdt1" else 1), sampler=SAMPLERS[sampler](seed))
    study.optimize(FUNCTIONS[function], n_trials=budgets[-1])
    losses = [trial.values for trial in study.trials]
    score = (lambda some: -hypervolume(some)) if function == "zdt1" else (lambda some: min(some)[0])
    return {str(budget): score(losses[:budget]) for budget in budgets}


def comparisons():
    for sampler in SAMPLERS:
        if sampler == "grid":
            yield sampler, "branin_grid"
        else:
            yield from ((sampler, function) for function in SINGLE)
        if sampler == "nsga2":
            yield sampler, "zdt1"


def peers(path):
    """What Optuna found by sampler, function and seed."""
    found = {}
    if path and os.path.exists(path):
        with open(path) as file:
            found = json.load(file)
    for sampler, function in comparisons():
        for seed in SEEDS:
            key = f"{sampler} {function} {seed}"
            if key not in found:
                found[key] = best(sampler, function, seed)
                if path:
                    with open(path + ".part", "w") as file:
                        json.dump(found, file)
                    os.replace(path + ".part", path)
    return found


def holm(values):
    """Each p with Holm's correction."""
    corrected, most = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        most = max(most, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = most
    return corrected


def main():
    with open(sys.argv[1]) as file:
        ours = json.load(file)
    theirs = peers(os.environ.get("CACHE"))
    rows = []
    for sampler, function in comparisons():
        for budget in map(str, BUDGETS.get(function, USUAL)):
            a = ours[sampler][function][budget]
            b = [theirs[f"{sampler} {function} {seed}"][budget] for seed in SEEDS]
            assert len(a) == len(b), f"{sampler}, {function}: {len(a)} of ours, {len(b)} of Optuna's"
            worse = mannwhitneyu(a, b, alternative="greater").pvalue
            better = mannwhitneyu(a, b, alternative="less").pvalue
            rows.append((sampler, function, budget, statistics.median(a), statistics.median(b), worse, better))
    print(f"Optuna {optuna.__version__}, seeds {SEEDS[0]} to {SEEDS[-1]}, medians of the best losses (of zdt1, minus the hypervolume)")
    print(f"worse: p that ours is no worse, in brackets with Holm's correction for {len(rows)} comparisons; better: p that it is no better")
    print(f"{'searcher':17}{'function':13}{'trials':>6}{'ours':>12}{'Optuna':>12}{'worse':>9}{'':9}{'better':>9}")
    failed = False
    for row, corrected in zip(rows, holm([row[5] for row in rows])):
        sampler, function, budget, a, b, worse, better = row
        failed |= corrected < ALPHA
        mark = "  WORSE" if corrected < ALPHA else ""
        print(f"{sampler:17}{function:13}{budget:>6}{a:12.5g}{b:12.5g}{worse:9.3f} ({corrected:5.3f}){better:10.3f}{mark}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
