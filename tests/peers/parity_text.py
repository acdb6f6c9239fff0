"""What do transformers' networks for texts answer? Writes the fixtures with which Firebox's are compared.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy safetensors transformers    # 2.15 and 5.24 wrote the files
    /tmp/peer/bin/python tests/peers/parity_text.py                                     # writes tests/fixtures/parity/

The files hold what those of `parity_networks.py` hold.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import BertConfig, BertForSequenceClassification, BertModel, GPT2Config, GPT2LMHeadModel

from parity_torch import begin, randn, write


def padded(lengths, vocabulary):
    """Token ids from 2 on, 0 where there is padding, and the mask."""
    longest = max(lengths)
    mask = torch.tensor([[1.0] * n + [0.0] * (longest - n) for n in lengths], dtype=torch.float64)
    return {"tokens": torch.randint(2, vocabulary, mask.shape) * mask, "mask": mask}


def network(name, model, answer, inputs):
    """Writes the fixture of a network without dropout and buffers, whose answer is `answer(model, **inputs)`."""
    with torch.no_grad():
        # Norms begin as the identity, which would hide an exchange of weight and bias; all else is made larger, so that nothing
        # is hidden by being small.
        for parameter in model.parameters():
            parameter.mul_(8.0 if parameter.dim() > 1 else 1.0).add_(torch.randn_like(parameter) * 0.1)
    model = model.double().eval()
    named = dict(model.named_parameters())
    tensors = {f"weight/{key}": value for key, value in named.items()}
    tensors |= {f"input/{key}": value for key, value in inputs.items()}
    found = answer(model, **inputs)
    tensors |= {"eval": found, "train": found, "cotangent": randn(*found.shape)}
    (found * tensors["cotangent"]).sum().backward()
    tensors |= {f"gradient/{key}": value.grad for key, value in named.items() if value.grad is not None}
    write(name, tensors)


BERT = BertConfig(
    vocab_size=11, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48, num_labels=4,
    max_position_embeddings=9, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager",
)


def bert():
    answer = lambda model, tokens, mask: model(input_ids=tokens.long(), attention_mask=mask).logits
    network("bert", BertForSequenceClassification(BERT), answer, padded([7, 3, 1, 5], 11))


class Mean(nn.Module):
    """The mean of the last states, as sentence encoders have it, before a head."""

    def __init__(self):
        super().__init__()
        self.bert = BertModel(BERT, add_pooling_layer=False)
        self.classifier = nn.Linear(BERT.hidden_size, BERT.num_labels)

    def forward(self, tokens, mask):
        states = self.bert(input_ids=tokens.long(), attention_mask=mask).last_hidden_state
        return self.classifier((states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True))


def bert_mean():
    network("bert_mean", Mean(), lambda model, **inputs: model(**inputs), padded([7, 3, 1, 5], 11))


def gpt2():
    """The head is the embedding, which is one parameter with the gradients of both."""
    config = GPT2Config(
        vocab_size=9, n_positions=10, n_embd=12, n_layer=2, n_head=3, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        attn_implementation="eager", bos_token_id=8, eos_token_id=8,
    )
    answer = lambda model, tokens, mask: model(input_ids=tokens.long()).logits
    network("gpt2", GPT2LMHeadModel(config), answer, padded([7, 3, 5], 9))


class Lstm(nn.Module):
    """Two layers in both directions, of sequences packed to their lengths."""

    def __init__(self, vocabulary, embedding, hidden, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens, mask):
        lengths = mask.sum(1).long()
        packed = pack_padded_sequence(self.embedding(tokens.long()), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return self.head(torch.cat([last[-2], last[-1]], 1))


def lstm():
    network("lstm_texts", Lstm(11, 5, 6, 3), lambda model, **inputs: model(**inputs), padded([7, 3, 1, 5], 11))


def gelu_tanh():
    x = torch.linspace(-6, 6, 25, dtype=torch.float64)
    given = x.clone().requires_grad_()
    answer = F.gelu(given, approximate="tanh")
    answer.sum().backward()
    write("gelu_tanh", {"x": x, "gelu_tanh/value": answer, "gelu_tanh/gradient": given.grad})


if __name__ == "__main__":
    for make in (bert, bert_mean, gpt2, gelu_tanh, lstm):
        begin(7)
        make()
