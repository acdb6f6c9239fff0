"""Do the weights of an export load strictly into the network that they are named after, and does that answer as the exported graph does?

    python tests/peers/export_strict.py FIREBOX FOLDER [NAME...]          # export_strict.sh calls it

Every network of the zoo learns for two steps through the program FIREBOX, and leaves with `export --to safetensors,onnx`. Its weights are
loaded with `load_state_dict(..., strict=True)`, which takes no name or shape too many or too few, and its twin is asked the same random,
normalised inputs as ONNX Runtime asks the graph: numbers may differ by 1e-4 of the largest of an example, which counts as at least 1, and by
a twentieth of what lies between the answers to different examples. One line a network; NAME takes those alone.

`export_twins.py` says whose twin each of them is.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import GPT2LMHeadModel
from transformers.utils.logging import disable_progress_bar

import export_twins as twins
from export_twins import SIDE, told

TOLERANCE = 1e-4
REPOSITORY = Path(__file__).resolve().parents[2]
WAIT = 120  # seconds for one command

# What is called how, learns what from which data, and is loaded into what.
IMAGES, MASKS, NAMES, PENGUINS, CO2 = "images", "masks", "names", "penguins", "co2"
CASES = [
    ("airbench", IMAGES, {"airbench": {"channels": [16, 24, 32]}}, twins.airbench),
    ("autoencoder", PENGUINS, {"autoencoder": {"hidden": [16], "code": 3, "activation": "gelu"}}, twins.autoencoder),
    ("autoencoder of images", IMAGES, {"autoencoder": {"hidden": [16], "code": 8, "channels": [8, 12], "activation": "gelu"}}, twins.autoencoder_image),
    ("bag", NAMES, {"bag": {}}, twins.bag),
    ("bert", NAMES, {"bert": {"size": "tiny", "context": 32}}, twins.bert),
    ("bert, mean of places", NAMES, {"bert": {"size": "tiny", "context": 32, "pooling": "mean"}}, twins.bert),
    ("cnn", IMAGES, {"cnn": {"channels": [[8, 8], [16]], "hidden": 24}}, twins.cnn),
    ("convnext", IMAGES, {"convnext": {"blocks": [1, 1, 3, 1], "channels": [24, 48, 96, 192], "patch": 4}}, twins.convnext),
    ("efficientnet b0", IMAGES, {"efficientnet": {"form": "b0"}}, twins.efficientnet),
    ("efficientnet lite0", IMAGES, {"efficientnet": {"form": "lite0"}}, twins.efficientnet),
    ("ft_transformer", PENGUINS, {"ft_transformer": {"blocks": 2, "width": 32, "hidden": 40}}, twins.ft_transformer),
    ("gpt", NAMES, {"gpt": {"layers": 2, "features": 48, "heads": 3, "context": 24}}, twins.gpt),
    ("gpt, a head with bias", NAMES, {"gpt": {"layers": 2, "features": 48, "heads": 3, "context": 24, "tied": False}}, twins.gpt),
    ("gru", NAMES, {"gru": {"hidden": 24}}, twins.gru),
    ("lenet", IMAGES, {"lenet": {}}, twins.lenet),
    ("lstm", NAMES, {"lstm": {"hidden": 24, "layers": 2}}, twins.lstm),
    ("lstm_forecast", CO2, {"lstm_forecast": {"layers": 2}}, twins.lstm_forecast),
    ("mlp", PENGUINS, {"mlp": {"hidden": [24, 16], "batch_norm": True, "activation": "gelu"}}, twins.mlp),
    ("mobilenet_v3 small", IMAGES, {"mobilenet_v3": {"size": "small"}}, twins.mobilenet),
    ("mobilenet_v3 large", IMAGES, {"mobilenet_v3": {"size": "large"}}, twins.mobilenet),
    ("patch_tst", CO2, {"patch_tst": {}}, twins.patch_tst),
    ("resnet", IMAGES, {"resnet": {"depth": 20}}, twins.small_resnet),
    ("resnet_imagenet 18", IMAGES, {"resnet_imagenet": {"depth": 18}}, twins.resnet),
    ("resnet_imagenet 50", IMAGES, {"resnet_imagenet": {"depth": 50, "width": 16}}, twins.resnet),
    ("tabular_resnet", PENGUINS, {"tabular_resnet": {"blocks": 2, "width": 24, "hidden": 32}}, twins.tabular_resnet),
    ("tcn", CO2, {"tcn": {"level": "none"}}, twins.tcn),
    ("unet", MASKS, {"unet": {"depth": 3, "width": 8}}, twins.unet),
    ("vit", IMAGES, {"vit": {"size": "tiny", "patch": 4}}, twins.vit),
]

# What they learn from.

CARD = """name = "{name}"
title = "Spots"
summary = "{count} images of spots"
source = "made by tests/peers/export_strict.py"
licence = "none needed"
citation = "none asked for"

[format.{format}]
{size}
{files}
[schema]
target = {target}

[schema.features]
image = "image"

[split.random]
validation = 0.2
test = 0.2
"""


def spots(folder):
    """Images of three colours of spots on noise, in a folder for each colour; and the same with masks."""
    random = np.random.default_rng(4)
    for k in range(60):
        pixels = random.integers(0, 120, (SIDE, SIDE, 3), dtype=np.uint8)
        mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
        top, left = random.integers(0, SIDE - 10, 2)
        place = np.s_[top : top + 10, left : left + 10]
        pixels[place][..., k % 3] = 250
        mask[place] = 1 + k % 3
        for path, array in (
            (folder / IMAGES / "pictures" / "red green blue".split()[k % 3] / f"{k}.png", pixels),
            (folder / MASKS / "pictures" / f"{k}.png", pixels),
            (folder / MASKS / "masks" / f"{k}.png", mask),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    one = '[[files]]\npath = "pictures"\n'
    two = '[[files]]\npath = "pictures"\nrole = "images"\n\n[[files]]\npath = "masks"\nrole = "labels"\n'
    target = '{ name = "colour", kind = "class" }'
    card = CARD.format(name=IMAGES, count=60, format="image_folder", size=f"size = [{SIDE}, {SIDE}]\n", files=one, target=target)
    (folder / IMAGES / "card.toml").write_text(card)
    target = '{ name = "mask", kind = "mask", classes = ["ground", "red", "green", "blue"] }'
    card = CARD.format(name=MASKS, count=60, format="mask_folder", size=f"size = [{SIDE}, {SIDE}]\n", files=two, target=target)
    (folder / MASKS / "card.toml").write_text(card)


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def config(folder, data, model):
    task = {NAMES: "classify", PENGUINS: "classify", IMAGES: "classify", MASKS: "segment", CO2: "forecast"}[data]
    task = "generate" if "gpt" in model else "reconstruct" if "autoencoder" in model else task
    card = folder / data if data in (IMAGES, MASKS) else REPOSITORY / "datasets" / data
    lines = [f'task = "{task}"', "[data]", f"card = {toml(str(card))}", "[model]"]
    lines += [f"{name} = {toml(settings)}" for name, settings in model.items()]
    if data == NAMES:
        lines += ["[data.transforms.tokenize]", "max_length = 20"]
    lines += ["[train]", "steps = 2", "batch_size = 16", "[optimizer.adamw]", "learning_rate = 1e-3"]
    return "\n".join(lines) + "\n"


def asked(spec, count, seed):
    """Random inputs as the fitted transforms would make them."""
    random = np.random.default_rng(seed)
    feeds = {}
    for given in spec["inputs"]:
        name, shape = given["name"], [count, *given["shape"]]
        if name == "categories":
            feeds[name] = np.stack([random.integers(0, size, count) for size in told(spec, "sizes")], 1)
        elif name == "tokens":
            lengths = np.array([1 + random.integers(0, 20) for _ in range(count)])
            lengths[0] = 20
            mask = np.arange(20)[None, :] < lengths[:, None]
            feeds[name] = random.integers(2, told(spec, "vocabulary"), (count, 20)) * mask
            feeds["mask"] = mask.astype(np.float32)
        else:
            feeds[name] = random.standard_normal(shape).astype(np.float32)
    return feeds


def difference(wanted, found):
    """The largest, relative to the largest number of an example, which counts as at least 1."""
    if wanted.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    wanted, found = (answer.reshape(len(answer), -1).astype(np.float64) for answer in (wanted, found))
    scale = np.maximum(1.0, np.abs(wanted).max(axis=1, keepdims=True))
    return float((np.abs(wanted - found) / scale).max())


def run(*command):
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=WAIT)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:3])} ends with {done.returncode}: {done.stderr.strip()[-600:]}")


def load(module, weights):
    """Takes every name and shape, and none too many or too few; says how."""
    if isinstance(module, GPT2LMHeadModel) and "lm_head.weight" not in weights:
        # PyTorch's own loading misses the head of transformers' own files as well, where it is the embedding. Their loader ties it.
        module, report = GPT2LMHeadModel.from_pretrained(None, config=module.config, state_dict=weights, output_loading_info=True)
        if any(report.values()):
            raise RuntimeError(f"from_pretrained reports {report}")
        return module, "load by from_pretrained, which ties lm_head.weight, with nothing missing or left over"
    module.load_state_dict(weights, strict=True)
    return module, "load strictly"


def judge(firebox, folder, name, data, model, twin):
    place = folder / hashlib.sha256(name.encode()).hexdigest()[:8]
    place.mkdir()
    try:
        (place / "model.toml").write_text(config(folder, data, model))
        run(firebox, "train", str(place / "model.toml"), "--device", "cpu", "--run", str(place / "run"))
        run(firebox, "export", str(place / "run"), "--to", "safetensors,onnx", "--out", str(place / "out"))
        graph = onnx.load(place / "out" / "model.onnx")
        about = {entry.key: entry.value for entry in graph.metadata_props}
        spec = json.loads(about["firebox.signature"])
        (settings,) = json.loads(about["firebox.architecture"]).values()
        weights = load_file(place / "out" / "model.safetensors")
        module, answer = twin(settings, spec)
        module, how = load(module, weights)
        module.double().eval()
        session = onnxruntime.InferenceSession(place / "out" / "model.onnx", providers=["CPUExecutionProvider"])
        ports = [port.name for port in session.get_inputs()]
        worst, examples = 0.0, 0
        for seed, count in enumerate((1, 5)):
            feeds = asked(spec, count, seed)
            (found,) = session.run(None, {key: value for key, value in feeds.items() if key in ports})
            tensors = {key: torch.from_numpy(value) for key, value in feeds.items()}
            with torch.no_grad():
                wanted = answer(module, {key: value.double() if value.is_floating_point() else value for key, value in tensors.items()})
            worst = max(worst, difference(wanted.numpy(), found))
            examples += count
        # A network that has hardly learnt answers nearly the same to everything, which nearly any other one would, too.
        apart = float((wanted - wanted.mean(0)).abs().max())
        if worst > min(TOLERANCE, apart / 20):
            raise RuntimeError(f"loads, but answers differ by {worst:.1e}; those to different examples lie {apart:.1e} apart")
        return f"{len(weights)} tensors {how}; {examples} answers differ by {worst:.1e} at most"
    finally:
        shutil.rmtree(place)


def main():
    firebox, folder, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    torch.set_num_threads(2)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", message=".*weight_norm.*")
    disable_progress_bar()
    spots(folder)
    architectures = {entry["name"] for entry in json.loads(subprocess.check_output([firebox, "list", "architectures", "--json"]))["architectures"]}
    wrong = [f"{name} has no case here" for name in sorted(architectures - {key for case in CASES for key in case[2]})]
    began, done = time.time(), 0
    for name, data, model, twin in CASES:
        if names and name not in names:
            continue
        try:
            print(f"{name:<24} {judge(firebox, folder, name, data, model, twin)}", flush=True)
            done += 1
        except Exception as error:  # whatever it is, the export is not what it should be
            wrong.append(f"{name}: {error}")
            print(f"{name:<24} WRONG", flush=True)
    print(f"{done} of {done + len(wrong)} networks load strictly and answer alike, in {time.time() - began:.0f} s")
    for line in wrong:
        print("WRONG:", line)
    return 1 if wrong or not done else 0


if __name__ == "__main__":
    sys.exit(main())
