"""What does PyTorch answer? Writes the fixtures with which Firebox's losses and optimizers are compared.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy safetensors    # torch 2.15 wrote the committed files
    /tmp/peer/bin/python tests/peers/parity_torch.py                                  # writes tests/fixtures/parity/

Everything is computed in double precision and stored as f32, so what a test sees is the rounding of Firebox alone.
FIREBOX_PARITY names another folder, where Firebox's tests look for it as well, and FIREBOX_SEED other numbers; `networks.sh` gives both.
Whole numbers (token ids, classes) are stored as f32 too: Firebox's own reader of weights reads nothing else.

`parity_networks.py` does the same for networks.
"""

import os
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.optim import _muon

FIXTURES = Path(os.environ.get("FIREBOX_PARITY", Path(__file__).resolve().parents[1] / "fixtures" / "parity"))


def begin(seed):
    """Numbers of the committed files, unless FIREBOX_SEED asks for others."""
    torch.manual_seed(int(os.environ.get("FIREBOX_SEED", seed)))


def randn(*shape):
    """Random numbers that f32 holds exactly."""
    return torch.randn(*shape).double()


def write(name, tensors):
    tensors = {key: value.detach().to(torch.float32).contiguous().clone() for key, value in tensors.items()}
    FIXTURES.mkdir(parents=True, exist_ok=True)
    path = FIXTURES / f"{name}.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def activations():
    x = torch.linspace(-6, 6, 25, dtype=torch.float64)
    tensors = {"x": x}
    for name, f in {"gelu": F.gelu, "relu": F.relu, "sigmoid": torch.sigmoid, "silu": F.silu, "tanh": torch.tanh}.items():
        given = x.clone().requires_grad_()
        answer = f(given)
        answer.sum().backward()
        tensors |= {f"{name}/value": answer, f"{name}/gradient": given.grad}
    write("activations", tensors)


def losses():
    rows, classes = 7, 5
    scores = randn(rows, classes) * 4
    hard = torch.randint(0, classes, (rows,))
    ignored = hard.clone()
    ignored[[1, 4]] = -1
    soft = torch.softmax(torch.randn(rows, classes), 1).double()
    weights = torch.tensor([0.25, 1.0, 2.5, 0.75, 1.25]).double()
    values = randn(rows, classes) * 2
    counts = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0, 3.0, 1.0]).double()
    images = randn(2, classes, 2, 3) * 2
    mask = torch.randint(0, classes, (2, 2, 3))
    mask[1, 0, 2] = -1
    given = {"scores": scores, "images": images}
    targets = {"hard": hard, "ignored": ignored, "soft": soft, "values": values, "mask": mask}
    cases = {
        "cross_entropy_hard": (scores, lambda x: F.cross_entropy(x, hard)),
        "cross_entropy_ignored": (scores, lambda x: F.cross_entropy(x, ignored, ignore_index=-1)),
        "cross_entropy_mask": (images, lambda x: F.cross_entropy(x, mask, ignore_index=-1)),
        "cross_entropy_smooth": (scores, lambda x: F.cross_entropy(x, hard, label_smoothing=0.1)),
        "cross_entropy_soft": (scores, lambda x: F.cross_entropy(x, soft)),
        "cross_entropy_soft_smooth": (scores, lambda x: F.cross_entropy(x, soft, label_smoothing=0.1)),
        "cross_entropy_soft_weights": (scores, lambda x: F.cross_entropy(x, soft, weight=weights)),
        "cross_entropy_weights": (scores, lambda x: F.cross_entropy(x, hard, weight=weights)),
        "cross_entropy_weights_smooth_ignored": (
            scores,
            lambda x: F.cross_entropy(x, ignored, weight=weights, label_smoothing=0.1, ignore_index=-1),
        ),
        "cross_entropy_counts": (
            scores,
            lambda x: (F.cross_entropy(x, hard, reduction="none") * counts).sum() / counts.sum(),
        ),
        "bce_hard": (scores, lambda x: F.binary_cross_entropy_with_logits(x, F.one_hot(hard, classes).double())),
        "bce_soft": (scores, lambda x: F.binary_cross_entropy_with_logits(x, soft)),
        "huber": (scores, lambda x: F.huber_loss(x, values)),
        "huber_delta": (scores, lambda x: F.huber_loss(x, values, delta=0.7)),
        "mse": (scores, lambda x: F.mse_loss(x, values)),
        "mse_counts": (scores, lambda x: (((x - values) ** 2).mean(1) * counts).sum() / counts.sum()),
    }
    tensors = {**given, **targets, "weights": weights, "counts": counts}
    for name, (x, loss) in cases.items():
        x = x.clone().requires_grad_()
        value = loss(x)
        value.backward()
        tensors |= {f"{name}/loss": value.reshape(1), f"{name}/gradient": x.grad}
    write("losses", tensors)


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of Chen et al. 2023, which PyTorch does not have."""

    def __init__(self, parameters, lr, betas, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                momentum = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                direction = torch.sign(beta1 * momentum + (1 - beta1) * p.grad)
                p.sub_(group["lr"] * (direction + group["weight_decay"] * p))
                momentum.mul_(beta2).add_(p.grad, alpha=1 - beta2)


def orthogonalized(gradient, coefficients, steps, eps):
    """The iteration of Jordan et al. 2024 as in `torch.optim.Muon`, which rounds to bfloat16; here in full precision."""
    a, b, c = coefficients
    x = gradient.T if gradient.size(0) > gradient.size(1) else gradient
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if gradient.size(0) > gradient.size(1) else x


def optimizers():
    _muon._zeropower_via_newtonschulz = orthogonalized
    shapes = {"bias": (5,), "filters": (2, 3, 2, 2), "tall": (4, 3), "wide": (3, 5)}
    start = {name: randn(*shape) for name, shape in shapes.items()}
    # Sizes of gradients differ by a thousand: that is where epsilon and bias correction show.
    steps = [
        {name: randn(*shape) * 2.0 ** (4 - 3 * k) for name, shape in shapes.items()} for k in range(5)
    ]
    rates = [1.0, 1.0, 0.75, 0.5, 0.125]  # What a schedule would multiply the learning rate by.

    def decayed(make, **settings):
        """Weight decay for matrices and filters, none for the bias, which is what Firebox does."""

        def build(p):
            decay = settings.pop("weight_decay", 0.0)
            groups = [
                {"params": [p["filters"], p["tall"], p["wide"]], "weight_decay": decay},
                {"params": [p["bias"]], "weight_decay": 0.0},
            ]
            return [make(groups, **settings)]

        return build

    def muon(p):
        matrices = torch.optim.Muon([p["tall"], p["wide"]], lr=0.02, momentum=0.95, nesterov=True, weight_decay=0.1)
        groups = [{"params": [p["filters"]], "weight_decay": 0.1}, {"params": [p["bias"]], "weight_decay": 0.0}]
        return [matrices, torch.optim.AdamW(groups, lr=0.003)]

    optim = torch.optim
    cases = {
        "adam": decayed(optim.Adam, lr=0.01),
        "adam_decay": decayed(optim.Adam, lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
        "adamw": decayed(optim.AdamW, lr=0.01, weight_decay=0.01),
        "adamw_decay": decayed(optim.AdamW, lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.5),
        "lion": decayed(Lion, lr=0.01, betas=(0.9, 0.99), weight_decay=0.0),
        "lion_decay": decayed(Lion, lr=0.01, betas=(0.7, 0.8), weight_decay=0.5),
        "muon": muon,
        "sgd": decayed(optim.SGD, lr=0.01),
        "sgd_momentum": decayed(optim.SGD, lr=0.01, momentum=0.9),
        "sgd_nesterov_decay": decayed(optim.SGD, lr=0.01, momentum=0.8, nesterov=True, weight_decay=0.1),
    }
    tensors = {f"start/{name}": value for name, value in start.items()}
    tensors["rates"] = torch.tensor(rates)
    for k, gradients in enumerate(steps):
        tensors |= {f"gradient/{k}/{name}": value for name, value in gradients.items()}
    for case, build in cases.items():
        parameters = {name: nn.Parameter(value.clone()) for name, value in start.items()}
        built = build(parameters)
        bases = [[group["lr"] for group in one.param_groups] for one in built]
        for rate, gradients in zip(rates, steps):
            for name, parameter in parameters.items():
                parameter.grad = gradients[name].clone()
            for one, base in zip(built, bases):
                for group, lr in zip(one.param_groups, base):
                    group["lr"] = lr * rate
                one.step()
        tensors |= {f"{case}/{name}": value for name, value in parameters.items()}

    for case, max_norm in {"clip_short": 1000.0, "clip_long": 0.5}.items():
        parameters = {name: nn.Parameter(value.clone()) for name, value in start.items()}
        for name, parameter in parameters.items():
            parameter.grad = steps[0][name].clone()
        norm = nn.utils.clip_grad_norm_(parameters.values(), max_norm)
        tensors |= {f"{case}/{name}": parameter.grad for name, parameter in parameters.items()}
        tensors[f"{case}/norm"] = norm.reshape(1)
    write("optimizers", tensors)


if __name__ == "__main__":
    for make in (activations, losses, optimizers):
        begin(2)
        make()
