"""What do PyTorch's networks answer? Writes the fixtures with which Firebox's networks are compared.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy safetensors rtdl_revisiting_models    # torch 2.15 wrote the files
    /tmp/peer/bin/python tests/peers/parity_networks.py                                # writes tests/fixtures/parity/

A network's file holds `weight/<parameter>`, `input/<name>`, `eval` (its answer in eval mode), `train` (in training mode),
`cotangent` and `gradient/<parameter>` (of the sum of `train * cotangent`), and `after/<buffer>`: the running statistics
after `input/<name>` and then `second/<name>` were seen in training mode.
"""

import rtdl_revisiting_models as rtdl
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from parity_torch import begin, randn, write

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


class TabularResnet(nn.Module):
    """The network of the package, with embedded categories beside the numbers."""

    def __init__(self, numbers, sizes, blocks, width, hidden, outputs):
        super().__init__()
        features = [(size + 1) // 2 for size in sizes]
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size, width in zip(sizes, features))
        resnet = rtdl.ResNet(
            d_in=numbers + sum(features), d_out=outputs, n_blocks=blocks, d_block=width, d_hidden=hidden,
            d_hidden_multiplier=None, dropout1=0.0, dropout2=0.0,
        )
        self.input_projection, self.blocks, self.output = resnet.input_projection, resnet.blocks, resnet.output
        # Not a module of this one, so that its parameters are named once.
        self.rest = [resnet]

    def forward(self, numbers, categories):
        embedded = [table(categories[:, k].long()) for k, table in enumerate(self.embeddings)]
        return self.rest[0](torch.cat([numbers, *embedded], 1))


class Bag(nn.Module):
    """Padding has the id 0, which the bag leaves out."""

    def __init__(self, vocabulary, embedding, classes):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocabulary, embedding, mode="mean", padding_idx=0)
        self.head = nn.Linear(embedding, classes)

    def forward(self, tokens, mask):
        return self.head(self.embedding(tokens.long()))


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
    rows = [{key: value for key, value in table(6).items() if key != "image"} for _ in range(2)]
    network("tabular_resnet", TabularResnet(3, [4, 7], 2, 8, 11, 4), *rows)
    network("bag", Bag(11, 5, 3), padded([7, 3, 1, 5], 11))


if __name__ == "__main__":
    begin(2)
    networks()
