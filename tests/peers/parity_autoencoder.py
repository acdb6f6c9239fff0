"""What do autoencoders give back? Writes fixtures as `parity_networks.py` does, which says what is in them.

    /tmp/peer/bin/python tests/peers/parity_autoencoder.py
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from parity_networks import network
from parity_torch import begin, randn


class Autoencoder(nn.Module):
    """Linear layers around a code, between convolutions that halve an image and others that double it."""

    def __init__(self, numbers, hidden, code, sizes=(), image=None, channels=()):
        super().__init__()
        self.sizes, self.image = sizes, image
        if image:
            steps = list(zip([image[0], *channels], channels))
            self.conv_encoder = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in steps)
            self.conv_decoder = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(steps))
        widths = [numbers, *hidden, code]
        pairs = list(zip(widths, widths[1:]))
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.decoder = nn.ModuleList(nn.Linear(b, a) for a, b in reversed(pairs))

    def forward(self, numbers=None, categories=None, image=None):
        if image is None:
            hot = [F.one_hot(categories[:, k].long(), size).to(numbers.dtype) for k, size in enumerate(self.sizes)]
            return self.code(torch.cat([numbers, *hot], 1))
        sides = []
        for conv in self.conv_encoder:
            sides.append(image.shape[2:])
            image = F.gelu(conv(image))
        x = F.gelu(self.code(image.flatten(1)).reshape(image.shape))
        for k, conv in enumerate(self.conv_decoder):
            height, width = sides.pop()
            x = conv(x)[:, :, :height, :width]
            if sides:
                x = F.gelu(x)
        return x.flatten(1)

    def code(self, x):
        for layers in (self.encoder, self.decoder):
            for k, layer in enumerate(layers):
                x = layer(x)
                if k + 1 < len(layers):
                    x = F.gelu(x)
        return x


def networks():
    rows = 5
    codes = torch.stack([torch.randint(0, size, (rows,)) for size in (4, 7)], 1)
    table = {"numbers": randn(rows, 3), "categories": codes.double()}
    network("autoencoder_table", Autoencoder(14, [9, 6], 2, sizes=(4, 7)), table)
    # 7 and 10 pixels become 4 and 5, then 2 and 3.
    image = {"image": randn(rows, 2, 7, 10)}
    network("autoencoder_image", Autoencoder(5 * 2 * 3, [9], 4, image=(2, 7, 10), channels=(3, 5)), image)


if __name__ == "__main__":
    begin(5)
    networks()
