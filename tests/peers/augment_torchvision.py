"""What do torchvision and PIL make of the same pixels?

Writes tests/fixtures/augment.json: two small images, what torchvision makes of them with fixed parameters, its ranges of strengths
and its policy, and small files with the pixels that PIL reads from them. Unit tests of crates/data-loader/src/raster compare
ours with them. torch for processors alone is enough.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch torchvision numpy pillow
    /tmp/venv/bin/python tests/peers/augment_torchvision.py                   # writes the fixture
    /tmp/venv/bin/python tests/peers/augment_torchvision.py crops FOLDER LIST # parts of photographs, as below

The second form draws a part of each of 200 photographs below FOLDER, as torchvision draws it, and writes what PIL makes of it at
224 x 224. `FIREBOX_CROPS=LIST cargo test -p data-loader parts_of_photographs -- --ignored` writes to LIST.report by how much ours differ.
"""

import base64
import io
import json
import pathlib
import sys

import numpy as np
import torch
import torchvision
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.autoaugment import _apply_op

NEAREST = F.InterpolationMode.NEAREST


def smooth(height, width, channels, seed):
    """A picture with slopes, an edge and some noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        120 + 90 * np.sin(x / (4 + c) + c) * np.cos(y / (5 - c)) + 40 * (x > width // 2) + random.normal(0, 8, (height, width))
        for c in range(channels)
    ]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def packed(array):
    array = np.asarray(array, dtype=np.uint8)
    if array.ndim == 2:
        array = array[:, :, None]
    height, width, channels = array.shape
    return {"channels": channels, "height": height, "width": width, "pixels": base64.b64encode(array.tobytes()).decode()}


def of(array):
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def cases(array):
    image = of(array)
    height, width, channels = array.shape
    tensor = torch.from_numpy(array.transpose(2, 0, 1).copy())
    add = lambda name, parameters, result: found.append({"name": name, "parameters": parameters, "result": packed(result)})
    found = []
    add("horizontal_flip", [], F.hflip(image))
    add("vertical_flip", [], F.vflip(image))
    for top, left, h, w in [(0, 0, 5, 7), (3, 4, 11, 9), (-4, -3, 16, 16), (15, 20, 16, 16)]:
        padded = F.pad(image, [20, 20, 20, 20], fill=77)
        add("window", [top, left, h, w, 77], F.crop(padded, top + 20, left + 20, h, w))
    for h, w in [(8, 8), (11, 14), (40, 10), (30, 50)]:
        add("center_crop", [h, w], F.center_crop(image, [h, w]))
    for name, filter in [
        ("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC), ("lanczos", Image.LANCZOS),
        ("nearest", Image.NEAREST),
    ]:
        for h, w in [(10, 10), (40, 60), (12, 50), (15, 10)]:
            add(f"resize_{name}", [0, 0, height, width, h, w], image.resize((w, h), filter))
        add(f"resize_{name}", [3, 5, 11, 13, 8, 9], F.crop(image, 3, 5, 11, 13).resize((9, 8), filter))
    for factor in [0.0, 0.3, 1.0, 1.4, 1.9]:
        add("brightness", [factor], F.adjust_brightness(image, factor))
        add("contrast", [factor], F.adjust_contrast(image, factor))
        add("sharpness", [factor], F.adjust_sharpness(image, factor))
        add("saturation", [factor], F.adjust_saturation(image, factor))
    if channels == 3:
        for turns in [-0.5, -0.1, 0.05, 0.3]:
            add("hue", [turns], F.adjust_hue(tensor, turns).permute(1, 2, 0).numpy())
    for bits in [1, 4, 7, 8]:
        add("posterize", [bits], F.posterize(image, bits))
    for threshold in [0.0, 100.5, 128.0, 255.0]:
        add("solarize", [threshold], F.solarize(image, threshold))
    add("invert", [], F.invert(image))
    add("autocontrast", [], F.autocontrast(image))
    add("equalize", [], F.equalize(image))
    space = T.RandAugment()._augmentation_space(31, (height, width))
    for name, (magnitudes, signed) in space.items():
        for level in [0, 9, 30]:
            strength = float(magnitudes[level]) if magnitudes.ndim else 0.0
            for sign in [1, -1] if signed else [1]:
                add("operation", [name, level, 31, sign], _apply_op(image, name, sign * strength, NEAREST, fill=[33] * channels))
    for top, left, h, w in [(2, 3, 9, 5), (0, 0, 1, 1)]:
        add("erase", [top, left, h, w, 50], F.erase(tensor, top, left, h, w, torch.tensor(50)).permute(1, 2, 0).numpy())
    for h, w in [(8, 8)]:
        add("shorter", [12], T.Resize(12)(image))
    return found


def batches():
    """Mixup and cutmix of five images with fixed shares."""
    images = torch.from_numpy(np.stack([smooth(9, 12, 3, seed).transpose(2, 0, 1) for seed in range(5)]))
    labels = torch.nn.functional.one_hot(torch.tensor([0, 2, 1, 1, 0]), 3).float()
    found = {"images": base64.b64encode(images.numpy().tobytes()).decode(), "mixup": [], "cutmix": []}
    for share in [0.0, 0.25, 0.7, 1.0]:
        mix = v2.MixUp(num_classes=3)
        parameters = {"labels": labels, "batch_size": 5, "lam": share}
        found["mixup"].append({
            "share": share,
            "pixels": mix.transform(images.float(), parameters).flatten().tolist(),
            "labels": mix._mixup_label(labels, lam=share).flatten().tolist(),
        })
    for x, y, share in [(0, 0, 0.5), (6, 4, 0.3), (11, 8, 0.9), (5, 5, 0.0)]:
        # The rectangle of torchvision's CutMix for these draws.
        half = 0.5 * (1.0 - share) ** 0.5
        across, along = int(half * 12), int(half * 9)
        box = (max(x - across, 0), max(y - along, 0), min(x + across, 12), min(y + along, 9))
        kept = float(1.0 - (box[2] - box[0]) * (box[3] - box[1]) / (12 * 9))
        cut = v2.CutMix(num_classes=3)
        parameters = {"labels": labels, "batch_size": 5, "box": box, "lam_adjusted": kept}
        found["cutmix"].append({
            "x": x, "y": y, "share": share, "kept": kept,
            "pixels": base64.b64encode(cut.transform(images, parameters).numpy().tobytes()).decode(),
            "labels": cut._mixup_label(labels, lam=kept).flatten().tolist(),
        })
    return found


def files():
    """Files of every kind, with the pixels that PIL reads from them as colours and as grey."""
    picture = Image.fromarray(smooth(24, 40, 3, 3))
    orientation = Image.Exif()
    orientation[0x0112] = 6
    sixteen = (np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    found = []
    for name, image, options in [
        ("baseline 4:2:0", picture, {"format": "JPEG", "quality": 90}),
        ("baseline 4:4:4", picture, {"format": "JPEG", "quality": 75, "subsampling": 0}),
        ("baseline 4:2:2", picture, {"format": "JPEG", "quality": 75, "subsampling": 1}),
        ("restart markers", picture, {"format": "JPEG", "quality": 75, "restart_marker_blocks": 2}),
        ("progressive", picture, {"format": "JPEG", "quality": 75, "progressive": True}),
        ("grey jpeg", picture.convert("L"), {"format": "JPEG"}),
        ("cmyk jpeg", picture.convert("CMYK"), {"format": "JPEG", "quality": 90}),
        ("turned by exif", picture, {"format": "JPEG", "quality": 90, "exif": orientation}),
        ("png", picture, {"format": "PNG"}),
        ("grey png", picture.convert("L"), {"format": "PNG"}),
        ("palette png", picture.convert("P", palette=Image.ADAPTIVE, colors=16), {"format": "PNG"}),
        ("transparent png", Image.merge("RGBA", (*picture.split(), picture.convert("L"))), {"format": "PNG"}),
        ("one bit png", picture.convert("1"), {"format": "PNG"}),
    ]:
        file = io.BytesIO()
        image.save(file, **options)
        read = Image.open(io.BytesIO(file.getvalue()))
        found.append({
            "name": name, "file": base64.b64encode(file.getvalue()).decode(),
            "colours": packed(read.convert("RGB")), "grey": packed(read.convert("L")),
        })
    file = io.BytesIO()
    Image.fromarray(sixteen).save(file, "PNG")
    # PIL cuts 16 bits off at 255 where it converts them; what was written is 257 times these bytes.
    grey = np.asarray(picture.convert("L"))
    found.append({
        "name": "16 bit png", "file": base64.b64encode(file.getvalue()).decode(),
        "colours": packed(np.stack([grey] * 3, -1)), "grey": packed(grey),
    })
    return found


def crops(folder, list_file):
    path = pathlib.Path(list_file)
    files = sorted(file for file in pathlib.Path(folder).rglob("*") if file.suffix in (".jpg", ".jpeg", ".png"))
    torch.manual_seed(1)
    lines = []
    for place in torch.randperm(len(files))[:200].tolist():
        image = Image.open(files[place]).convert("RGB")
        top, left, height, width = T.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3))
        image = F.resized_crop(image, top, left, height, width, [224, 224])
        out = pathlib.Path(f"{path}.{len(lines)}.rgb")
        out.write_bytes(np.asarray(image).tobytes())
        lines.append(json.dumps({"file": str(files[place]), "box": [top, left, height, width], "pixels": str(out)}))
    path.write_text("\n".join(lines) + "\n")


def main():
    images = [smooth(15, 19, 3, 1), smooth(15, 19, 1, 2)]
    fixture = {
        "torchvision": torchvision.__version__, "pillow": Image.__version__,
        "images": [{"image": packed(image), "cases": cases(image)} for image in images],
        "strengths": {
            f"{kind} {bins}": {
                name: [magnitudes.flatten().double().tolist(), signed]
                for name, (magnitudes, signed) in policy._augmentation_space(bins, (15, 19)).items()
            }
            for kind, policy, bins in [("rand", T.RandAugment(), 31), ("auto", T.AutoAugment(T.AutoAugmentPolicy.CIFAR10), 10)]
        },
        "cifar10": T.AutoAugment(T.AutoAugmentPolicy.CIFAR10).policies,
        "batches": batches(),
        "files": files(),
    }
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "augment.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if sys.argv[1:2] == ["crops"]:
    crops(sys.argv[2], sys.argv[3])
else:
    main()
