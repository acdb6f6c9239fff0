"""What does successive halving save, and does it find as much? The same sweep with and without it, by several seeds.

    python sweep_asha.py BINARY [--config sweep_mnist.toml] [--studies N] [--seeds N] [--trials N]

Run it from the root of the repository; it needs no packages. The best of many trials is best by luck too, so both winners are trained again by
the same seeds, which also decide the digits. For each study it prints the steps of both searches and the scores of both winners, with the
deviation over the seeds; at the end the share of the steps that was saved, and in how many studies the winner of asha lies within that spread.
"""
import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def told(*command):
    return json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout)


def search(said, folder, seed, pruner):
    """The steps of a search, and its best score."""
    settings = ["--set", f"seed={seed}", "--set", "sweep.pruner={ %s = {} }" % pruner]
    budget = ["--trials", said.trials] if said.trials else []
    study = told(said.binary, "sweep", said.config, "--run", folder, "--json", "--workers", 1, *settings, *budget)
    return study["steps"], study["best"][0]["values"][0]


def again(said, folder, study, seed):
    """The accuracy of a study's winner, trained by another seed, on the test part where there is one."""
    run = told(said.binary, "train", "--from", study, "--run", folder, "--json", "--set", f"seed={seed}")
    return run.get("test_accuracy", run.get("validation_accuracy"))


def main():
    words = argparse.ArgumentParser()
    words.add_argument("binary")
    words.add_argument("--config", default=str(HERE / "sweep_mnist.toml"))
    words.add_argument("--studies", type=int, default=5)
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--trials", type=int)
    said = words.parse_args()
    saved, within = [], 0
    for seed in range(said.studies):
        with tempfile.TemporaryDirectory() as folder:
            line, found = [f"study {seed}:"], {}
            steps = {}
            for pruner in ("none", "asha"):
                study = Path(folder) / pruner
                steps[pruner], best = search(said, study, seed, pruner)
                scores = [again(said, f"{study}-{k}", study, 1000 + k) for k in range(said.seeds)]
                found[pruner] = (statistics.mean(scores), statistics.stdev(scores))
                line.append(f"{pruner} {steps[pruner]} steps, best {best:.4f}, again {found[pruner][0]:.4f} +- {found[pruner][1]:.4f};")
            saved.append(1 - steps["asha"] / steps["none"])
            mean, spread = found["none"]
            within += found["asha"][0] >= mean - spread
            print(*line, f"{saved[-1]:.3f} saved", flush=True)
    print(f"steps saved: {statistics.median(saved):.3f} ({min(saved):.3f} to {max(saved):.3f})")
    print(f"winner of asha within the spread of the other's, or above it: {within} of {said.studies}")


main()
