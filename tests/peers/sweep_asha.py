"""What does successive halving save, and does it find as much? The same sweep with and without it, by several seeds.

    python sweep_asha.py BINARY [--config sweep_mnist.toml] [--seeds N] [--trials N]

Run it from the root of the repository; it needs no packages. Prints of each seed the steps and the best score of both, then the share of the
steps that was saved, and whether what was found lies within the spread that seeds alone bring about.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def sweep(binary, config, seed, trials, pruner):
    """The study that came of it. A seed decides which digits there are, the first weights and the proposals."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"seed={seed}", f"sweep.pruner={pruner}"]
        command = [binary, "sweep", str(config), "--run", f"{folder}/s", "--json", "--workers", "1"]
        command += [word for setting in settings for word in ("--set", setting)]
        if trials:
            command += ["--trials", str(trials)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("binary")
    words.add_argument("--config", default=str(HERE / "sweep_mnist.toml"))
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--trials", type=int)
    said = words.parse_args()
    steps, best = {"none": [], "asha": []}, {"none": [], "asha": []}
    for seed in range(said.seeds):
        for pruner in steps:
            told = sweep(said.binary, said.config, seed, said.trials, "{ %s = {} }" % pruner)
            steps[pruner].append(told["steps"])
            best[pruner].append(told["best"][0]["values"][0])
        print(f"seed {seed}: {steps['none'][-1]} steps, best {best['none'][-1]:.4f}; asha {steps['asha'][-1]} steps, best {best['asha'][-1]:.4f}", flush=True)
    saved = [1 - asha / full for asha, full in zip(steps["asha"], steps["none"])]
    mean = {pruner: statistics.mean(values) for pruner, values in best.items()}
    spread = statistics.stdev(best["none"])
    print(f"steps saved: {statistics.median(saved):.3f} ({min(saved):.3f} to {max(saved):.3f})")
    print(f"best: {mean['none']:.4f} without (deviation over seeds {spread:.4f}, {min(best['none']):.4f} to {max(best['none']):.4f}), {mean['asha']:.4f} with asha")
    differences = [asha - full for asha, full in zip(best["asha"], best["none"])]
    print(f"asha less without, seed by seed: {statistics.mean(differences):+.4f} ({min(differences):+.4f} to {max(differences):+.4f})")
    print("within the spread" if mean["asha"] >= mean["none"] - spread else "below the spread")


main()
