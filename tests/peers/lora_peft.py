"""What do adapters of low rank do in peft? Writes tests/fixtures/lora.safetensors, with which Firebox's are compared.

    /tmp/peer/bin/pip install peft
    /tmp/peer/bin/python tests/peers/lora_peft.py

The network is `b(relu(a(x)))`; `a` has an adapter of rank 2 with alpha 6, and `b`, the head, learns as it is. The file holds `weight/<name>`,
the factors `first/<name>` (peft's lora_B, `[outputs, rank]`) and `second/<name>` (lora_A, `[rank, inputs]`), `input` and `target`, the
`answer`, and `merged/<name>` after three steps of SGD on the mean squared error at a rate of 0.1.
"""

from pathlib import Path

import torch
import torch.nn as nn
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

FILE = Path(__file__).parents[1] / "fixtures" / "lora.safetensors"


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 5)
        self.b = nn.Linear(5, 4)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


def main():
    torch.manual_seed(3)
    torch.set_default_dtype(torch.float64)
    plain = Two()
    tensors = {f"weight/{name}": weight.detach().clone() for name, weight in plain.named_parameters()}
    config = LoraConfig(r=2, lora_alpha=6, target_modules=["a"], modules_to_save=["b"], lora_dropout=0.0)
    model = get_peft_model(plain, config)
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    ours = {}
    for name, weight in learning.items():
        if "lora_" in name:
            # The first factor is 0 to begin with; here it is not, so that the answer shows it.
            weight.data = torch.randn_like(weight) * 0.5
            which = "first" if "lora_B" in name else "second"
            ours[name] = f"{which}/a.weight"
            tensors[ours[name]] = weight.detach().clone()
        else:
            ours[name] = "b." + name.rsplit(".", 1)[1]
    assert sorted(ours.values()) == ["b.bias", "b.weight", "first/a.weight", "second/a.weight"], ours
    x, y = torch.randn(6, 3), torch.randn(6, 4)
    tensors["input"], tensors["target"] = x, y
    optimizer = torch.optim.SGD(learning.values(), lr=0.1)
    for step in range(3):
        answer = model(x)
        loss = (answer - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            tensors["answer"] = answer.detach().clone()
        optimizer.step()
    merged = model.merge_and_unload()
    for name, weight in merged.named_parameters():
        tensors[f"merged/{name}"] = weight.detach().clone()
    save_file({name: tensor.float().contiguous() for name, tensor in tensors.items()}, FILE)
    print(f"{FILE.name}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
