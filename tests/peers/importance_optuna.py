"""How near to the truth are importances? Compares ours and those of Optuna's fANOVA on functions whose shares of the variance are known exactly.

    pip install optuna scikit-learn
    python tests/peers/importance_optuna.py make FOLDER [SEED]   # FOLDER/functions.json: trials of random functions, the truth, and what Optuna says
    FIREBOX_IMPORTANCE=FOLDER cargo test --release -p trainer importances_of_functions -- --ignored    # FOLDER/ours.json
    python tests/peers/importance_optuna.py score FOLDER

Every seed makes other functions: sums of terms, products (Sobol's g-function), bilinear ones, choices that change a slope, terms with noise, and
spaces in which a parameter counts for one choice alone. Of the latter Optuna leaves out what does not always count. The error is the mean distance
between the share of a parameter and the true one, of the variance of the function without its noise, over the parameters that both tell.
"""
import itertools, json, os, sys, time, warnings
import numpy as np


def term(rng):
    """A function of a number from 0 to 1 with mean 0 and variance 1."""
    kind = rng.integers(3)
    if kind == 0:
        return lambda x: (x - 0.5) * 12**0.5
    if kind == 1:
        c = rng.uniform()
        # (x - c)^2 has the moments of x^2 - 2cx.
        mean, variance = 1 / 3 - c, 1 / 5 - c + 4 * c * c / 3 - (1 / 3 - c) ** 2
        return lambda x: (x * x - 2 * c * x - mean) / variance**0.5
    k, phase = rng.integers(1, 3), rng.uniform(0, 2 * np.pi)
    return lambda x: np.sin(2 * np.pi * k * x + phase) * 2**0.5


def table(rng, count):
    """A number for each of some choices, with mean 0 and variance 1."""
    values = rng.normal(size=count)
    return (values - values.mean()) / values.std()


def points(rng, kinds, count):
    return np.column_stack([rng.uniform(size=count) if kind == 0 else rng.integers(kind, size=count) for kind in kinds])


def additive(rng, count, noise=0.0):
    kinds = [0 if rng.uniform() < 0.75 else int(rng.integers(2, 6)) for _ in range(int(rng.integers(4, 11)))]
    weights = rng.dirichlet(np.full(len(kinds), 0.7))
    x = points(rng, kinds, count)
    y = np.zeros(count)
    for d, kind in enumerate(kinds):
        y += weights[d] ** 0.5 * (term(rng)(x[:, d]) if kind == 0 else table(rng, kind)[x[:, d].astype(int)])
    return kinds, x, y + noise * rng.normal(size=count), weights, {}


def noisy(rng, count):
    return additive(rng, count, 0.5)


def product(rng, count):
    a = rng.choice([0.0, 0.5, 1.0, 3.0, 9.0], size=int(rng.integers(3, 7)))
    x = points(rng, [0] * len(a), count)
    y = np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=1)
    v = 1 / (3 * (1 + a) ** 2)
    all_ = np.prod(1 + v) - 1
    return [0] * len(a), x, y, v / all_, {(i, j): v[i] * v[j] / all_ for i, j in itertools.combinations(range(len(a)), 2)}


def bilinear(rng, count):
    n = int(rng.integers(4, 9))
    both = list(itertools.combinations(range(n), 2))
    some = [both[k] for k in rng.choice(len(both), size=3, replace=False)]
    weights = rng.dirichlet(np.full(n + 3, 0.7))
    x = points(rng, [0] * n, count)
    z = (x - 0.5) * 12**0.5
    y = z @ weights[:n] ** 0.5 + sum(w**0.5 * z[:, i] * z[:, j] for w, (i, j) in zip(weights[n:], some))
    return [0] * n, x, y, weights[:n], dict(zip(some, weights[n:]))


def slopes(rng, count):
    """A choice and a number whose slope the choice decides, beside terms."""
    choices = int(rng.integers(2, 6))
    base, slope = table(rng, choices), rng.normal(size=choices) * 2
    w = rng.uniform(0.2, 1, size=2)
    x = points(rng, [choices, 0, 0, 0], count)
    c, z = x[:, 0].astype(int), (x[:, 1] - 0.5) * 12**0.5
    y = base[c] + slope[c] * z + w[0] * term(rng)(x[:, 2]) + w[1] * term(rng)(x[:, 3])
    v = np.array([1, slope.mean() ** 2, *w**2])
    both = slope.var()
    all_ = v.sum() + both
    return [choices, 0, 0, 0], x, y, v / all_, {(0, 1): both / all_}


def conditional(rng, count):
    """Three choices; a number counts for the first one, another one for the second, and two always."""
    base = table(rng, 3) * rng.uniform(0.3, 1)
    w = rng.uniform(0.3, 1.5, size=4)
    x = points(rng, [3, 0, 0, 0, 0], count)
    c = x[:, 0]
    terms = [term(rng)(x[:, d]) for d in range(1, 5)]
    y = base[c.astype(int)] + w[0] * terms[0] * (c == 0) + w[1] * terms[1] * (c == 1) + w[2] * terms[2] + w[3] * terms[3]
    v = np.array([base.var(), w[0] ** 2 / 3, w[1] ** 2 / 3, w[2] ** 2, w[3] ** 2])
    x[c != 0, 1], x[c != 1, 2] = np.nan, np.nan
    return [3, 0, 0, 0, 0], x, y, v / v.sum(), {}


def optuna_says(kinds, x, y):
    import optuna
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {f"x{d}": optuna.distributions.FloatDistribution(0, 1) if kind == 0 else
             optuna.distributions.CategoricalDistribution(tuple(range(kind))) for d, kind in enumerate(kinds)}
    study = optuna.create_study()
    rows = [{f"x{d}": float(v) if kinds[d] == 0 else int(v) for d, v in enumerate(row) if not np.isnan(v)} for row in x]
    study.add_trials([optuna.trial.create_trial(params=row, distributions={k: space[k] for k in row}, value=float(v)) for row, v in zip(rows, y)])
    began = time.perf_counter()
    found = optuna.importance.FanovaImportanceEvaluator(seed=0).evaluate(study)
    return [found.get(f"x{d}") for d in range(len(kinds))], time.perf_counter() - began


def make(folder, seed):
    rng = np.random.default_rng(seed)
    functions = []
    for family in (additive, noisy, product, bilinear, slopes, conditional):
        for count in (50, 200, 1000):
            for _ in range(4):
                kinds, x, y, single, double = family(rng, count)
                says, seconds = optuna_says(kinds, x, y)
                functions.append({"family": family.__name__, "kinds": kinds, "losses": y.tolist(), "seconds": seconds, "optuna": says,
                                  "points": [[None if np.isnan(v) else v for v in row] for row in x.tolist()],
                                  "single": [float(v) for v in single], "double": [[i, j, float(v)] for (i, j), v in double.items()]})
    os.makedirs(folder, exist_ok=True)
    json.dump(functions, open(os.path.join(folder, "functions.json"), "w"))


def score(folder):
    functions, ours = (json.load(open(os.path.join(folder, name))) for name in ("functions.json", "ours.json"))
    print(f"{'family':12} {'trials':>6} | {'ours':>7} {'Optuna':>7} | {'pairs':>7} | {'ms':>7} {'Optuna':>7} | same largest: ours, Optuna")
    rows = {}
    for function, our in zip(functions, ours):
        truth = np.array(function["single"])
        said = np.array([np.nan if v is None else v for v in function["optuna"]])
        pairs = {(i, j): v for i, j, v in our["double"]}
        true_pairs = {(i, j): v for i, j, v in function["double"]}
        both = ~np.isnan(said)
        row = [np.abs(our["single"] - truth)[both].mean(), np.nanmean(np.abs(said - truth)),
               np.mean([abs(v - true_pairs.get(key, 0)) for key, v in pairs.items()]), our["seconds"] * 1e3, function["seconds"] * 1e3,
               float(np.argmax(our["single"]) == np.argmax(truth)), float(np.nanargmax(said) == np.argmax(truth))]
        rows.setdefault((function["family"], len(function["losses"])), []).append(row)
    for (family, count), found in [*rows.items(), (("all", 0), sum(rows.values(), []))]:
        m = np.mean(found, axis=0)
        print(f"{family:12} {count:6} | {m[0]:7.4f} {m[1]:7.4f} | {m[2]:7.4f} | {m[3]:7.1f} {m[4]:7.0f} | {m[5]:.2f} {m[6]:.2f}")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time()))
    else:
        score(sys.argv[2])
