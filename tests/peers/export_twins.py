"""Which networks of other packages are those of the zoo? Twins that weights of ours load into; `export_strict.py` asks them.

Whose twin it is:

- torchvision: convnext, efficientnet (b0), mobilenet_v3, resnet_imagenet; timm: vit, and efficientnet (lite0), whose modules are put under
  torchvision's names, which is how the zoo names both forms;
- transformers: bert; gpt, whose head is the embedding and so no tensor of its file, just as of the library's own files, and has a bias
  with `tied = false`; patch_tst, whose `ff.3` is called `ff.1` as the header of patch_tst.rs says;
- rtdl_revisiting_models: ft_transformer, and tabular_resnet with embeddings before it;
- PyTorch: gru, lstm and lstm_forecast are `nn.GRU` and `nn.LSTM` between an embedding and a head, bag is `nn.EmbeddingBag` and a head.

No package on PyPI has the others in this form; their twins are the modules of the scripts parity_*.py beside this one, of PyTorch's layers:

- airbench: published as a script, with a first layer that is set and not learnt;
- autoencoder, cnn, lenet, mlp: textbook networks, which everybody writes anew (torchvision's VGG and MLP are lists without names);
- resnet: torchvision has no network of three stages; tcn: published as a folder of a repository, which is not on PyPI;
- unet: packages build theirs on encoders of other networks.
"""

import rtdl_revisiting_models as rtdl
import timm
import torch
import torch.nn as nn
from torchvision import models as vision
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from transformers import BertConfig, BertForSequenceClassification, BertModel, GPT2Config, GPT2LMHeadModel, PatchTSTConfig

import parity_autoencoder
import parity_images
import parity_networks
import parity_series
import parity_text

SIDE = 32  # pixels of the images that they are asked

# The twins. Each is made of the settings of the network and of what the data is like, as the graph itself tells, and is a module with the
# parameters, and how it answers `feeds`.


def told(spec, key):
    """Of an input of the signature: its names, sizes, vocabulary."""
    return next((given["kind"][kind][key] for given in spec["inputs"] for kind in given["kind"] if key in given["kind"][kind]), [])


def numbers_of(spec):
    return next((given["shape"][0] for given in spec["inputs"] if given["name"] == "numbers"), 0)


def classes(spec):
    (kind,) = spec["output"]
    return len(spec["output"][kind]["labels"])


def horizon(spec):
    told = spec["output"]["horizon"]
    return len(told["names"]), max(1, len(told["quantiles"]))


def image(module):
    return module, lambda module, feeds: module(feeds["image"])


def named(module):
    """Of a module whose arguments are called as the inputs are."""
    return module, lambda module, feeds: module(**feeds)


def resnet(settings, spec):
    if settings["depth"] == 18 and settings["width"] == 64:
        return image(vision.resnet18(num_classes=classes(spec)))
    made = parity_images.narrow_resnet(vision.resnet.Bottleneck, [3, 4, 6, 3], settings["width"], small=False)
    made.fc = nn.Linear(made.fc.in_features, classes(spec))
    return image(made)


def mobilenet(settings, spec):
    make = {"small": vision.mobilenet_v3_small, "large": vision.mobilenet_v3_large}[settings["size"]]
    return image(make(num_classes=classes(spec)))


def efficientnet(settings, spec):
    if settings["form"] == "b0":
        return image(vision.efficientnet_b0(num_classes=classes(spec)))
    return image(parity_images.Lite(timm.create_model("tf_efficientnet_lite0", num_classes=classes(spec))))


def convnext(settings, spec):
    channels = settings["channels"]
    rows = [CNBlockConfig(n, after, count) for n, after, count in zip(channels, [*channels[1:], None], settings["blocks"])]
    return image(ConvNeXt(rows, num_classes=classes(spec)))


def vit(settings, spec):
    made = timm.create_model("deit_tiny_patch16_224", img_size=SIDE, patch_size=settings["patch"], num_classes=classes(spec))
    return image(made)


def bert(settings, spec):
    layers, features, heads = {"tiny": (2, 128, 2)}[settings["size"]]
    config = BertConfig(
        vocab_size=told(spec, "vocabulary"), hidden_size=features, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * features, max_position_embeddings=settings["context"], num_labels=classes(spec), attn_implementation="eager",
    )
    if settings["pooling"] == "class":
        made = BertForSequenceClassification(config)
        return made, lambda made, feeds: made(input_ids=feeds["tokens"], attention_mask=feeds["mask"]).logits
    return named(Mean(config))


class Mean(parity_text.Mean):
    """Of other sizes than the script's own."""

    def __init__(self, config):
        nn.Module.__init__(self)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)


def gpt(settings, spec):
    """Tied, one tensor is embedding and head; untied, the zoo gives the head a bias, which the library's has not."""
    words = told(spec, "vocabulary")
    config = GPT2Config(
        vocab_size=words, n_positions=settings["context"], n_embd=settings["features"], n_layer=settings["layers"], n_head=settings["heads"],
        bos_token_id=words - 1, eos_token_id=words - 1, attn_implementation="eager",
    )
    made = GPT2LMHeadModel(config)
    if not settings["tied"]:
        made.lm_head = nn.Linear(config.n_embd, words)
    return made, lambda made, feeds: made(input_ids=feeds["tokens"]).logits


def gru(settings, spec):
    return named(parity_networks.Gru(told(spec, "vocabulary"), settings["embedding"], settings["hidden"], classes(spec)))


def lstm(settings, spec):
    return named(parity_text.Lstm(told(spec, "vocabulary"), settings["embedding"], settings["hidden"], classes(spec)))


def bag(settings, spec):
    return named(parity_networks.Bag(told(spec, "vocabulary"), settings["embedding"], classes(spec)))


def lstm_forecast(settings, spec):
    return named(parity_series.LstmForecast(1, settings["hidden"], settings["layers"], *horizon(spec)))


def tcn(settings, spec):
    return named(parity_series.Tcn(1, settings["channels"], settings["kernel"], *horizon(spec)))


def patch_tst(settings, spec):
    known = next(given["shape"][0] for given in spec["inputs"])
    config = PatchTSTConfig(
        num_input_channels=1, context_length=known, patch_length=settings["patch"], patch_stride=settings["stride"],
        prediction_length=horizon(spec)[0], num_hidden_layers=settings["layers"], d_model=settings["features"],
        num_attention_heads=settings["heads"], ffn_dim=settings["hidden"], scaling="std", loss="mse", pooling_type=None,
        positional_encoding_type="random",
    )
    return named(parity_series.PatchTst(config))


def mlp(settings, spec):
    made = parity_networks.Mlp(0, numbers_of(spec), told(spec, "sizes"), settings["hidden"], classes(spec))
    return made, lambda made, feeds: made(image=torch.zeros(len(feeds["numbers"]), 0).double(), **feeds)


def tabular_resnet(settings, spec):
    sizes = [settings[key] for key in ("blocks", "width", "hidden")]
    return named(parity_networks.TabularResnet(numbers_of(spec), told(spec, "sizes"), *sizes, classes(spec)))


def ft_transformer(settings, spec):
    made = rtdl.FTTransformer(
        n_cont_features=numbers_of(spec), cat_cardinalities=told(spec, "sizes"), d_out=classes(spec), n_blocks=settings["blocks"],
        d_block=settings["width"], attention_n_heads=settings["heads"], attention_dropout=0.0, ffn_d_hidden=settings["hidden"],
        ffn_d_hidden_multiplier=None, ffn_dropout=0.0, residual_dropout=0.0,
    )
    return made, lambda made, feeds: made(feeds["numbers"], feeds["categories"])


def autoencoder(settings, spec):
    sizes = told(spec, "sizes")
    return named(parity_autoencoder.Autoencoder(numbers_of(spec) + sum(sizes), settings["hidden"], settings["code"], sizes=sizes))


def autoencoder_image(settings, spec):
    channels = settings["channels"]
    area = (SIDE >> len(channels)) ** 2
    return named(parity_autoencoder.Autoencoder(channels[-1] * area, settings["hidden"], settings["code"], image=(3, SIDE, SIDE), channels=channels))


def lenet(settings, spec):
    made = parity_networks.Lenet(settings["channels"], settings["hidden"], ((SIDE // 2 - 4) // 2) ** 2, classes(spec))
    made.conv1 = nn.Conv2d(3, settings["channels"][0], 5, padding=2)  # colours
    return image(made)


def cnn(settings, spec):
    runs = settings["channels"]
    return image(parity_networks.Cnn(runs, settings["hidden"], (SIDE >> len(runs)) ** 2, classes(spec)))


def small_resnet(settings, spec):
    return image(parity_networks.Resnet(settings["depth"], settings["width"], classes(spec)))


def airbench(settings, spec):
    return image(parity_images.Airbench(3, settings["channels"], classes(spec)))


def unet(settings, spec):
    made = parity_images.Unet(3, settings["width"], settings["depth"], classes(spec))
    # The script's own shows the class of each pixel last, as a loss sees it; the graph has it where convolutions have it.
    return made, lambda made, feeds: made(feeds["image"]).permute(0, 3, 1, 2)
