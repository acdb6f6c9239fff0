"""What does PyTorch answer? Writes the fixtures with which Firebox's networks, losses and optimizers are compared.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy safetensors    # torch 2.15 wrote the committed files
    /tmp/peer/bin/python tests/peers/parity_torch.py                                  # writes tests/fixtures/parity/

Everything is computed in double precision and stored as f32, so what a test sees is the rounding of Firebox alone.
Whole numbers (token ids, classes) are stored as f32 too: Firebox's own reader of weights reads nothing else.

A network's file holds `weight/<parameter>`, `input/<name>`, `eval` (its answer in eval mode), `train` (in training mode),
`cotangent` and `gradient/<parameter>` (of the sum of `train * cotangent`), and `after/<buffer>`: the running statistics
after `input/<name>` and then `second/<name>` were seen in training mode.
"""

from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.nn.utils.rnn import pack_padded_sequence
from torch.optim import _muon

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "parity"


def randn(*shape):
    """Random numbers that f32 holds exactly."""
    return torch.randn(*shape).double()


def write(name, tensors):
    tensors = {key: value.detach().to(torch.float32).contiguous().clone() for key, value in tensors.items()}
    FIXTURES.mkdir(parents=True, exist_ok=True)
    path = FIXTURES / f"{name}.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


# Networks, their attributes named as Firebox names its parameters.


class Lenet(nn.Module):
    def __init__(self, channels, hidden, area, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 5, padding=2)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 5)
        self.fc1 = nn.Linear(channels[1] * area, hidden[0])
        self.fc2 = nn.Linear(hidden[0], hidden[1])
        self.fc3 = nn.Linear(hidden[1], classes)

    def forward(self, image):
        x = F.max_pool2d(F.relu(self.conv1(image)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Cnn(nn.Module):
    def __init__(self, channels, hidden, area, classes):
        super().__init__()
        inputs, runs = 3, []
        for run in channels:
            convolutions = []
            for filters in run:
                convolutions.append(nn.Conv2d(inputs, filters, 3, padding=1))
                inputs = filters
            runs.append(nn.ModuleList(convolutions))
        self.runs = nn.ModuleList(runs)
        self.fc1 = nn.Linear(inputs * area, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, image):
        for run in self.runs:
            for convolution in run:
                image = F.relu(convolution(image))
            image = F.max_pool2d(image, 2)
        return self.fc2(F.relu(self.fc1(image.flatten(1))))


class Mlp(nn.Module):
    """Linear, batch norm, GELU for each hidden layer, over pixels, numbers and embedded categories."""

    def __init__(self, pixels, numbers, sizes, hidden, outputs):
        super().__init__()
        features = [(size + 1) // 2 for size in sizes]
        widths = [pixels + numbers + sum(features), *hidden]
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size, width in zip(sizes, features))
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, hidden))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in hidden)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, image, numbers, categories):
        embedded = [table(categories[:, k].long()) for k, table in enumerate(self.embeddings)]
        x = torch.cat([image.flatten(1), numbers, *embedded], 1)
        for layer, norm in zip(self.layers, self.norms):
            x = F.gelu(norm(layer(x)))
        return self.head(x)


class Gru(nn.Module):
    def __init__(self, vocabulary, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.gru = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens, mask):
        lengths = mask.sum(1).long()
        packed = pack_padded_sequence(self.embedding(tokens.long()), lengths, batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed)
        return self.head(torch.cat([last[0], last[1]], 1))


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Resnet(nn.Module):
    def __init__(self, depth, width, classes):
        super().__init__()
        n = (depth - 2) // 6

        def stage(inputs, outputs, stride):
            return nn.Sequential(*[ResidualBlock(inputs if k == 0 else outputs, outputs, stride if k == 0 else 1) for k in range(n)])

        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = stage(width, width, 1)
        self.layer2 = stage(width, 2 * width, 2)
        self.layer3 = stage(2 * width, 4 * width, 2)
        self.fc = nn.Linear(4 * width, classes)

    def forward(self, image):
        x = F.relu(self.bn1(self.conv1(image)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(features, 3 * features)
        self.proj = nn.Linear(features, features)

    def forward(self, x):
        batch, length, features = x.shape
        parts = self.qkv(x).split(features, 2)
        q, k, v = [part.view(batch, length, self.heads, features // self.heads).transpose(1, 2) for part in parts]
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, features))


class TransformerBlock(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(features)
        self.attn = Attention(features, heads)
        self.norm2 = nn.LayerNorm(features)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(features, 4 * features), "fc2": nn.Linear(4 * features, features)})

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self, vocabulary, layers, features, heads, context):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features)
        self.positions = nn.Parameter(torch.randn(context, features) * 0.3)
        self.blocks = nn.Sequential(*[TransformerBlock(features, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(features)
        self.head = nn.Linear(features, vocabulary)

    def forward(self, tokens, mask):
        x = self.embedding(tokens.long()) + self.positions[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x)))


def network(name, model, first, second=None):
    """Writes the fixture of a network; `first` and `second` are its inputs by name."""
    with torch.no_grad():
        # Norms begin as the identity, which would hide an exchange of weight and bias.
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model = model.double()
    tensors = {f"weight/{key}": value.clone() for key, value in model.state_dict().items() if "num_batches" not in key}
    tensors |= {f"input/{key}": value for key, value in first.items()}
    model.eval()
    tensors["eval"] = model(**first)
    model.train()
    answer = model(**first)
    tensors["train"] = answer
    tensors["cotangent"] = randn(*answer.shape)
    (answer * tensors["cotangent"]).sum().backward()
    tensors |= {f"gradient/{key}": parameter.grad for key, parameter in model.named_parameters()}
    if second is not None:
        model(**second)
        tensors |= {f"second/{key}": value for key, value in second.items()}
        tensors |= {f"after/{key}": value for key, value in model.named_buffers() if "running" in key}
    write(name, tensors)


def padded(lengths, vocabulary):
    """Token ids from 2 on, 0 where there is padding, and the mask."""
    longest = max(lengths)
    mask = torch.tensor([[1.0] * n + [0.0] * (longest - n) for n in lengths], dtype=torch.float64)
    return {"tokens": torch.randint(2, vocabulary, mask.shape) * mask, "mask": mask}


def networks():
    def table(rows):
        codes = torch.stack([torch.randint(0, size, (rows,)) for size in (4, 7)], 1)
        return {"image": randn(rows, 1, 4, 3), "numbers": randn(rows, 3), "categories": codes.double()}

    # The images are not square, so that an exchange of height and width shows.
    network("lenet", Lenet([4, 6], [20, 12], 3, 5), {"image": randn(3, 1, 20, 14)})
    network("cnn", Cnn([[4, 6], [5]], 8, 6, 4), {"image": randn(3, 3, 9, 12)})
    network("mlp", Mlp(12, 3, [4, 7], [12, 9], 4), table(6), table(6))
    network("gru", Gru(11, 5, 6, 3), padded([7, 3, 1, 5], 11))
    network("resnet", Resnet(20, 3, 4), {"image": randn(4, 3, 10, 14)}, {"image": randn(4, 3, 10, 14)})
    network("gpt", Gpt(9, 2, 12, 3, 10), padded([7, 7], 9))


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
    for make in (networks, activations, losses, optimizers):
        torch.manual_seed(2)
        make()
