"""How many steps of training does PyTorch do in a second, on the workloads of `firebox bench`?

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy
    /tmp/peer/bin/python tests/peers/bench_pytorch.py                                  # all four, as many threads as cores
    /tmp/peer/bin/python tests/peers/bench_pytorch.py --workload mlp,gpt --threads 1 --seconds 6 --compile --device cuda

Prints JSON in the words of `firebox bench --json`. A step is forward, cross-entropy, backward and AdamW on inputs
drawn once; three steps go before the clock starts. Measure the two programs in turn, not at the same time.
"""

import argparse
import json
import os
import resource
import time

import torch
from torch import nn
from torch.nn import functional as F


def mlp():
    layers = [nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
    return nn.Sequential(*layers)


def cnn():
    convolutions = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()]
    head = [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 14 * 14, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*convolutions, *head)


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()

        def convolution(channels, kernel, step):
            return nn.Sequential(
                nn.Conv2d(channels, outputs, kernel, step, kernel // 2, bias=False),
                nn.BatchNorm2d(outputs),
            )

        self.first = convolution(inputs, 3, stride)
        self.second = convolution(outputs, 3, 1)
        self.shortcut = nn.Identity() if inputs == outputs else convolution(inputs, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Resnet20(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        blocks, inputs = [], width
        for outputs in (width, 2 * width, 4 * width):
            for k in range(3):
                blocks.append(Residual(inputs, outputs, 2 if k == 0 and outputs != width else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(features), nn.LayerNorm(features)
        self.qkv, self.proj = nn.Linear(features, 3 * features), nn.Linear(features, features)
        self.mlp = nn.Sequential(nn.Linear(features, 4 * features), nn.GELU(), nn.Linear(4 * features, features))

    def forward(self, x):
        batch, length, features = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, features // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.proj(mixed.transpose(1, 2).reshape(x.shape))
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self, vocabulary=65, layers=4, features=128, heads=4, context=128):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features)
        self.positions = nn.Parameter(torch.randn(context, features) * 0.02)
        self.blocks = nn.Sequential(*[Block(features, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(features)
        self.head = nn.Linear(features, vocabulary)

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.embedding(tokens) + self.positions)))


WORKLOADS = {
    "cnn": (cnn, lambda: (torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,)))),
    "gpt": (Gpt, lambda: (torch.randint(0, 65, (16, 128)), torch.randint(0, 65, (16, 128)))),
    "mlp": (mlp, lambda: (torch.randn(128, 1, 28, 28), torch.randint(0, 10, (128,)))),
    "resnet": (Resnet20, lambda: (torch.randn(64, 3, 32, 32), torch.randint(0, 10, (64,)))),
}


def latency(answer, single, wait):
    """Milliseconds from a single example to its answer, without gradients, over two seconds."""
    taken, begun = [], time.perf_counter()
    with torch.inference_mode():
        while len(taken) < 20 or time.perf_counter() - begun < 2:
            asked = time.perf_counter()
            answer(single)
            wait()
            taken.append(1e3 * (time.perf_counter() - asked))
    taken = sorted(taken[3:])
    return {"median": taken[round((len(taken) - 1) * 0.5)], "p99": taken[round((len(taken) - 1) * 0.99)]}


def measure(name, device, seconds, compiled):
    torch.manual_seed(0)
    build, data = WORKLOADS[name]
    network = build().to(device)
    inputs, targets = [tensor.to(device) for tensor in data()]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    answer = torch.compile(network) if compiled else network

    def step():
        scores = answer(inputs)
        loss = F.cross_entropy(scores.reshape(-1, scores.shape[-1]), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def wait():
        if device != "cpu":
            torch.cuda.synchronize()

    for _ in range(3):
        step()
    wait()
    begun, steps = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        step()
        steps += 1
        if steps % 10 == 0:
            wait()
    wait()
    taken = time.perf_counter() - begun
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "workload": name,
        "device": device,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "batch_size": len(inputs),
        "steps": steps,
        "seconds": taken,
        "steps_per_second": steps / taken,
        "examples_per_second": steps / taken * len(inputs),
        "latency": latency(answer.eval(), inputs[:1], wait),
        "peak_memory": peak,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--workload", default=",".join(WORKLOADS))
    arguments.add_argument("--threads", type=int, default=os.cpu_count())
    arguments.add_argument("--seconds", type=float, default=6.0)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--compile", action="store_true")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    names = chosen.workload.split(",")
    print(json.dumps({name: measure(name, chosen.device, chosen.seconds, chosen.compile) for name in names}, indent=2))
