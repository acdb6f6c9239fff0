"""How well does GPT-2 of the same size learn the names of configs/names_gpt.toml in transformers?

    /tmp/peer/bin/python tests/peers/names_gpt_torch.py [SEED]      # needs torch and transformers

The same split (recomputed by the hash of the names), batches of 64, 1500 steps of AdamW with cosine and warm-up, clipping, dropout after the
embedding and in each block alone. Prints the validation loss a token every 250 steps.
"""

import csv
import hashlib
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel

STEPS, WARMUP, BATCH, RATE = 1500, 100, 64, 1e-3
torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
torch.set_num_threads(2)
rows = [row["name"] for row in csv.DictReader(open(Path(__file__).parents[2] / "datasets/names/names.csv", encoding="utf-8"))]


def place(text):
    digest = hashlib.sha256((0).to_bytes(8, "little") + text.strip().encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2.0**53


train = [name for name in rows if place(name) >= 0.2]
validation = [name for name in rows if 0.1 <= place(name) < 0.2]
letters = sorted({c for name in train for c in name})
ids = {c: k + 2 for k, c in enumerate(letters)}
mark = len(letters) + 2


def batch(names):
    length = max(map(len, names)) + 1
    inputs, told = torch.zeros(len(names), length).long(), torch.full((len(names), length), -1)
    for row, name in enumerate(names):
        text = [ids.get(c, 1) for c in name]
        inputs[row, : len(text) + 1] = torch.tensor([mark, *text])
        told[row, : len(text) + 1] = torch.tensor([*text, mark])
    return inputs, told


def loss(model, names, reduction="mean"):
    inputs, told = batch(names)
    return F.cross_entropy(model(input_ids=inputs).logits.flatten(0, 1), told.flatten(), ignore_index=-1, reduction=reduction), (told >= 0).sum()


def evaluate(model):
    model.eval()
    with torch.no_grad():
        found = [loss(model, validation[k : k + 256], "sum") for k in range(0, len(validation), 256)]
    model.train()
    return float(sum(sum_ for sum_, _ in found) / sum(count for _, count in found))


model = GPT2LMHeadModel(GPT2Config(
    vocab_size=mark + 1, n_positions=20, n_embd=128, n_layer=4, n_head=4, resid_pdrop=0.1, embd_pdrop=0.1, attn_pdrop=0.0,
    bos_token_id=mark, eos_token_id=mark,
))
print(f"{len(train)} names to learn, {len(validation)} to judge, {sum(p.numel() for p in model.parameters())} parameters")
decayed = [p for p in model.parameters() if p.dim() > 1]
others = [p for p in model.parameters() if p.dim() == 1]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=RATE)
step, order = 0, []
model.train()
while step < STEPS:
    if not order:
        order = torch.randperm(len(train)).tolist()
    names, order = [train[k] for k in order[:BATCH]], order[BATCH:]
    warm = min(1.0, (step + 1) / (WARMUP + 1))
    left = max(0, step - WARMUP) / (STEPS - WARMUP)
    for group in optimizer.param_groups:
        group["lr"] = RATE * warm * (1 + math.cos(math.pi * left)) / 2
    optimizer.zero_grad()
    loss(model, names)[0].backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    step += 1
    if step % 250 == 0:
        print(f"step {step}: validation loss {evaluate(model):.4f}", flush=True)
