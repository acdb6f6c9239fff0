"""What do PyTorch's networks for series answer? Writes the fixtures with which Firebox's are compared.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy safetensors rtdl_revisiting_models transformers
    /tmp/peer/bin/python tests/peers/parity_series.py                                # writes tests/fixtures/parity/

What a file holds `parity_networks.py` says. That of `lstm` holds a layer and not a network: its answer is the state after each
step, those of padding left out, and `end` is what PyTorch calls `h_n`, both directions of the last layer side by side.
"""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parity_torch import randn, write


def lstm():
    lengths = [6, 2, 1, 4]
    model = nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True).double()
    x = randn(len(lengths), max(lengths), 3)
    mask = torch.tensor([[1.0] * n + [0.0] * (max(lengths) - n) for n in lengths]).double()
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    states, (last, _) = model(packed)
    states, _ = pad_packed_sequence(states, batch_first=True)
    end = torch.cat([last[2], last[3]], 1)
    cotangent, end_cotangent = randn(*states.shape), randn(*end.shape)
    ((states * cotangent).sum() + (end * end_cotangent).sum()).backward()
    tensors = {f"weight/{key}": value for key, value in model.state_dict().items()}
    tensors |= {"x": x, "mask": mask, "states": states, "end": end}
    tensors |= {"cotangent": cotangent, "end_cotangent": end_cotangent}
    tensors |= {f"gradient/{key}": parameter.grad for key, parameter in model.named_parameters()}
    write("lstm", tensors)


if __name__ == "__main__":
    torch.manual_seed(11)
    lstm()
