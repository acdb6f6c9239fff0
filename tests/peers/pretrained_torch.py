"""What do files of PyTorch look like? Writes small ones of every kind, among them hostile ones, for the reader of pre-trained weights.

    /tmp/peer/bin/python tests/peers/pretrained_torch.py                              # writes tests/fixtures/pretrained/

`expected.safetensors` holds what every readable file holds: `a.weight` [2, 3], a bias in half precision, and a matrix that is the transpose of
what lies in memory. `with_code.pth` would write a file beside itself if anyone ran it.
"""

import collections
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "pretrained"


class Code:
    """What pickle calls when it reads this is the shell."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def main():
    torch.manual_seed(5)
    weights = collections.OrderedDict()
    weights["a.weight"] = torch.randn(2, 3)
    weights["a.bias"] = torch.randn(2).half()
    weights["b.weight"] = torch.randn(3, 4).t()
    weights["b.bias"] = torch.randn(4).bfloat16()
    weights["norm.running_mean"] = torch.randn(4).double()
    weights["norm.num_batches_tracked"] = torch.tensor(7)
    FOLDER.mkdir(parents=True, exist_ok=True)
    single = {key: value.float().contiguous() for key, value in weights.items() if value.is_floating_point()}
    save_file(single, FOLDER / "expected.safetensors", metadata={"format": "pt"})
    save_file({key: value.contiguous() for key, value in weights.items()}, FOLDER / "widths.safetensors", metadata={"format": "pt"})
    torch.save(weights, FOLDER / "plain.pth")
    torch.save(weights, FOLDER / "legacy.pt", _use_new_zipfile_serialization=False)
    optimizer = {"state": {0: {"exp_avg": torch.zeros(2, 3)}}, "param_groups": [{"lr": 0.1}]}
    spread = collections.OrderedDict((f"module.{key}", value) for key, value in weights.items())
    torch.save({"epoch": 3, "state_dict": spread, "optimizer": optimizer}, FOLDER / "training.ckpt")
    named_model = collections.OrderedDict((f"model.{key}", value) for key, value in weights.items())
    torch.save({**named_model, "head.weight": torch.ones(1, 4)}, FOLDER / "named_model.pth")
    torch.save({**weights, "extra": Code()}, FOLDER / "with_code.pth")
    torch.save({"epoch": 3}, FOLDER / "no_weights.pth")
    for path in sorted(FOLDER.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
