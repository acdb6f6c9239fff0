"""What do torchvision's and timm's networks for images answer? Writes fixtures as `parity_networks.py` does, which says what is in them.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch torchvision timm numpy safetensors rtdl_revisiting_models
    /tmp/peer/bin/python tests/peers/parity_images.py

torch 2.15, torchvision 0.29 and timm 1.0.31 wrote the committed files. The networks are the packages' own, made narrow: what a test
compares is the form, and the counts of the full sizes are compared in each architecture's file.
"""

from functools import partial

import timm
import torch
import torch.nn as nn
import torch.nn.functional as F
from timm.models import efficientnet as timm_efficientnet
from torchvision.models import convnext, efficientnet, mobilenetv3, resnet

from parity_networks import network
from parity_torch import begin, randn


class ImageInput(nn.Module):
    """Takes the place of a network that calls its input otherwise, and whose parameters keep their names."""

    def __init__(self, inner):
        super().__init__()
        for name, child in inner.named_children():
            self.add_module(name, child)
        for name, parameter in inner.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        self.rest = [inner]

    def forward(self, image):
        return self.rest[0](image)

    def train(self, mode=True):
        self.rest[0].train(mode)
        return super().train(mode)


def narrow_resnet(block, blocks, width, small):
    """torchvision's network of another width, which its constructor does not offer."""
    made = resnet.ResNet(block, blocks, num_classes=4)
    made.inplanes = width
    made.conv1 = nn.Conv2d(3, width, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
    made.bn1 = nn.BatchNorm2d(width)
    if small:
        made.maxpool = nn.Identity()
    for at, count in enumerate(blocks):
        setattr(made, f"layer{at + 1}", made._make_layer(block, width << at, count, stride=2 if at else 1))
    made.fc = nn.Linear((width << 3) * block.expansion, 4)
    return made


def narrow_mobilenet(size, width):
    rows, last = mobilenetv3._mobilenet_v3_conf(f"mobilenet_v3_{size}", width_mult=width)
    return mobilenetv3.MobileNetV3(rows, last, num_classes=4, dropout=0.0)


def narrow_efficientnet(width):
    rows, last = efficientnet._efficientnet_conf("efficientnet_b0", width_mult=width, depth_mult=1.0)
    return efficientnet.EfficientNet(rows, 0.0, stochastic_depth_prob=0.0, num_classes=4, last_channel=last)


class Lite(nn.Module):
    """timm's `tf_efficientnet_lite0`, its parameters under the names that torchvision gives to an EfficientNet."""

    def __init__(self, inner):
        super().__init__()
        stages = []
        for stage in inner.blocks:
            blocks = []
            for block in stage:
                layers = [] if not hasattr(block, "conv_pw") or not hasattr(block, "conv_pwl") else [(block.conv_pw, block.bn1)]
                depthwise = (block.conv_dw, block.bn2 if layers else block.bn1)
                last = (block.conv_pwl, block.bn3) if layers else (block.conv_pw, block.bn2)
                layers = [nn.Sequential(*pair) for pair in [*layers, depthwise, last]]
                named = nn.Module()
                named.block = nn.Sequential(*layers)
                blocks.append(named)
            stages.append(nn.Sequential(*blocks))
        first = nn.Sequential(inner.conv_stem, inner.bn1)
        last = nn.Sequential(inner.conv_head, inner.bn2)
        self.features = nn.Sequential(first, *stages, last)
        self.classifier = nn.Sequential(nn.Dropout(0.0), inner.classifier)
        self.rest = [inner]

    def forward(self, image):
        return self.rest[0](image)

    def train(self, mode=True):
        self.rest[0].train(mode)
        return super().train(mode)


def narrow_lite(width):
    """timm widens everything but the ends; here they are made narrow as well."""
    arguments = {}
    create, timm_efficientnet._create_effnet = timm_efficientnet._create_effnet, lambda *_, **given: arguments.update(given)
    timm_efficientnet._gen_efficientnet_lite("tf_efficientnet_lite0", channel_multiplier=width)
    timm_efficientnet._create_effnet = create
    norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
    arguments |= {"stem_size": 8, "num_features": 64, "norm_layer": norm, "pad_type": "same", "num_classes": 4}
    return Lite(timm.models.EfficientNet(**arguments))


def narrow_convnext():
    rows = [convnext.CNBlockConfig(n, following, count) for n, following, count in ((6, 8, 1), (8, 10, 2), (10, 12, 1), (12, None, 1))]
    made = convnext.ConvNeXt(rows, stochastic_depth_prob=0.0, num_classes=4)
    made.features[0][0] = nn.Conv2d(3, 6, 2, 2)
    for parameter in (p for name, p in made.named_parameters() if "layer_scale" in name):
        nn.init.normal_(parameter)
    return made


def narrow_vit():
    made = timm.models.VisionTransformer(
        img_size=(12, 8), patch_size=4, num_classes=4, embed_dim=12, depth=2, num_heads=3,
    )
    # What begins at nearly nothing would hide a mistake.
    nn.init.normal_(made.cls_token)
    return made


class Group(nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, padding="same", bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding="same", bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Airbench(nn.Module):
    """The form of Jordan 2024, with PyTorch's own batch norms."""

    def __init__(self, channels, widths, classes):
        super().__init__()
        widths = [8 * channels, *widths]
        self.whiten = nn.Conv2d(channels, widths[0], 2)
        self.groups = nn.ModuleList(Group(a, b) for a, b in zip(widths, widths[1:]))
        self.head = nn.Linear(widths[-1], classes, bias=False)

    def forward(self, image):
        x = F.gelu(self.whiten(image))
        for group in self.groups:
            x = group(x)
        return self.head(x.amax((2, 3))) / 9


def pair(inputs, outputs):
    def layer(inputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))

    return nn.Sequential(layer(inputs), layer(outputs))


class Unet(nn.Module):
    def __init__(self, channels, width, depth, classes):
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.encoder = nn.ModuleList(pair(a, b) for a, b in zip([channels, *widths], widths))
        levels = list(reversed(list(zip(widths, widths[1:]))))
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, 2) for above, below in levels)
        self.decoder = nn.ModuleList(pair(2 * above, above) for above, _ in levels)
        self.head = nn.Conv2d(width, classes, 1)

    @staticmethod
    def apply_pair(layers, x):
        for layer in layers:
            x = F.relu(layer(x))
        return x

    def forward(self, image):
        # The class of each pixel stands last, as Firebox shows it to a loss.
        height, width = image.shape[2:]
        multiple = 1 << len(self.up)
        x = F.pad(image, (0, -width % multiple, 0, -height % multiple))
        bridges = []
        for level, layers in enumerate(self.encoder):
            x = self.apply_pair(layers, F.max_pool2d(x, 2) if level else x)
            bridges.append(x)
        bridges.pop()
        for up, layers in zip(self.up, self.decoder):
            x = self.apply_pair(layers, torch.cat([bridges.pop(), up(x)], 1))
        return self.head(x)[:, :, :height, :width].permute(0, 2, 3, 1)


def networks():
    def images(*shape):
        return [{"image": randn(*shape)} for _ in range(2)]

    basic, bottleneck = resnet.BasicBlock, resnet.Bottleneck
    network("resnet18", ImageInput(narrow_resnet(basic, [2, 2, 2, 2], 2, small=True)), *images(4, 3, 10, 14))
    network("resnet50", ImageInput(narrow_resnet(bottleneck, [3, 4, 6, 3], 1, small=False)), *images(6, 3, 70, 54))
    network("mobilenet_v3_small", ImageInput(narrow_mobilenet("small", 0.05)), *images(6, 3, 34, 46))
    network("efficientnet_b0", ImageInput(narrow_efficientnet(0.03)), *images(6, 3, 34, 46))
    network("efficientnet_lite0", narrow_lite(0.03), *images(6, 3, 33, 46))
    network("convnext", ImageInput(narrow_convnext()), {"image": randn(3, 3, 18, 22)})
    network("vit", ImageInput(narrow_vit()), {"image": randn(3, 3, 12, 8)})
    network("airbench", Airbench(2, [3, 4, 5], 4), *images(4, 2, 12, 17))
    network("unet", Unet(3, 2, 2, 3), *images(3, 3, 10, 7))


if __name__ == "__main__":
    begin(3)
    networks()
