"""Does TensorBoard itself read what we write?

    FIREBOX_TENSORBOARD_OUT=/tmp/tb cargo test --release -p trainer recorders::tensorboard
    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install tensorboard
    /tmp/venv/bin/python tests/peers/tensorboard_read.py /tmp/tb

The folder holds the run of that unit test: six steps, killed and resumed at step 4, so that steps 5 and 6 of the first file
must be hidden and step 5 of the second one shown.
"""

import math
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1])
accumulator.Reload()
found = {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}
for tag, points in sorted(found.items()):
    print(f"{tag:24}", points)
steps = [step for step, _ in found["train/loss"]]
assert steps == [1, 2, 3, 4, 5], steps
assert found["train/loss"][-1][1] == 0.0
assert abs(found["train/loss"][2][1] - 1 / 3) < 1e-6
assert found["train/gradient_norm"][0][1] == 0.0
assert [step for step, _ in found["validation/accuracy"]] == [5] and math.isnan(found["validation/accuracy"][0][1])
assert set(found) == {"train/loss", "train/gradient_norm", "learning_rate", "examples_per_second", "validation/accuracy", "validation/f1/a b"}
print("TensorBoard agrees.")
