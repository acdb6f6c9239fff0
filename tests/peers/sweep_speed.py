"""How long does a sweep take beside Optuna with PyTorch? Both do the same work by turns.

    python sweep_speed.py BINARY penguins|mnist [--pairs N] [--workers N]

Run it from the root of the repository with a Python that has optuna and torch. Prints the seconds of each pair and the median of the ratios.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def ours(binary, work, workers, seed):
    with tempfile.TemporaryDirectory() as folder:
        begun = time.time()
        command = [binary, "sweep", str(HERE / f"sweep_{work}.toml"), "--run", f"{folder}/s", "--json"]
        command += ["--workers", str(workers), "--threads", "2", "--set", f"seed={seed}"]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return time.time() - begun, told["best"][0]["values"][0], told["pruned"]


def theirs(work, workers, seed):
    # Jobs of Optuna are threads; with one job PyTorch has both cores where that is faster, as it is for images.
    threads = 2 if workers == 1 and work == "mnist" else 1
    command = [sys.executable, str(HERE / "sweep_torch.py"), work, "--jobs", str(workers), "--seed", str(seed)]
    begun = time.time()
    told = json.loads(subprocess.run([*command, "--threads", str(threads)], check=True, capture_output=True).stdout)
    return time.time() - begun, told["best"], told["pruned"]


def main():
    words = argparse.ArgumentParser()
    words.add_argument("binary")
    words.add_argument("work", choices=["penguins", "mnist"])
    words.add_argument("--pairs", type=int, default=5)
    words.add_argument("--workers", type=int, default=1)
    said = words.parse_args()
    ratios = []
    for pair in range(said.pairs):
        one = ours(said.binary, said.work, said.workers, pair)
        other = theirs(said.work, said.workers, pair)
        ratios.append(one[0] / other[0])
        print(f"{one[0]:.2f} s (best {one[1]:.4f}, {one[2]} pruned)  beside  {other[0]:.2f} s (best {other[1]:.4f}, {other[2]} pruned)", flush=True)
    print(f"{said.work}, {said.workers} at once: {statistics.median(ratios):.3f} of the time ({min(ratios):.3f} to {max(ratios):.3f})")


main()
