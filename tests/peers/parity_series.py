"""What do PyTorch's networks for series answer? Writes the fixtures with which Firebox's are compared.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install torch numpy safetensors rtdl_revisiting_models transformers
    /tmp/peer/bin/python tests/peers/parity_series.py                                # writes tests/fixtures/parity/

What a file holds `parity_networks.py` says. That of `lstm` holds a layer and not a network: its answer is the state after each
step, those of padding left out, and `end` is what PyTorch calls `h_n`, both directions of the last layer side by side.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import weight_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import PatchTSTConfig, PatchTSTForPrediction

from parity_networks import network
from parity_torch import begin, randn, write


class LstmForecast(nn.Module):
    """The last state of an LSTM tells all steps, each with its quantiles, relative to the last value of the last channel."""

    def __init__(self, channels, hidden, layers, horizon, quantiles):
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, horizon * quantiles)
        self.shape = (-1, horizon, quantiles)

    def forward(self, series):
        last = series[:, -1:]
        _, (state, _) = self.lstm(series - last)
        return self.head(state[-1]).reshape(self.shape) + last[:, :, -1:]


class TemporalBlock(nn.Module):
    """Two causal convolutions and a shortcut: padded on both sides, and what is too much at the end cut off."""

    def __init__(self, inputs, filters, kernel, dilation):
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.conv1 = weight_norm(nn.Conv1d(inputs, filters, kernel, padding=self.reach, dilation=dilation))
        self.conv2 = weight_norm(nn.Conv1d(filters, filters, kernel, padding=self.reach, dilation=dilation))
        self.downsample = nn.Conv1d(inputs, filters, 1) if inputs != filters else None

    def forward(self, x):
        length = x.shape[2]
        y = F.relu(self.conv1(x)[:, :, :length])
        y = F.relu(self.conv2(y)[:, :, :length])
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Tcn(nn.Module):
    """Read as it is, and the last step answers."""

    def __init__(self, channels, filters, kernel, horizon, quantiles):
        super().__init__()
        widths = [channels, *filters]
        blocks = [TemporalBlock(a, b, kernel, 2**k) for k, (a, b) in enumerate(zip(widths, filters))]
        self.tcn = nn.Module()
        self.tcn.network = nn.Sequential(*blocks)
        self.linear = nn.Linear(filters[-1], horizon * quantiles)
        self.shape = (-1, horizon, quantiles)

    def forward(self, series):
        return self.linear(self.tcn.network(series.transpose(1, 2))[:, :, -1]).reshape(self.shape)


class PatchTst(PatchTSTForPrediction):
    """The library's own, which tells one number a step; `ff.3` is named `ff.1`, since Firebox counts layers with parameters."""

    def __init__(self, config):
        super().__init__(config)
        for layer in self.model.encoder.layers:
            layer.ff = nn.Sequential(layer.ff[0], Gelued(layer.ff[3].in_features, layer.ff[3].out_features))

    def forward(self, series):
        return super().forward(series).prediction_outputs


class Gelued(nn.Linear):
    def forward(self, x):
        return super().forward(F.gelu(x))


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
    begin(11)
    lstm()
    network("lstm_forecast", LstmForecast(3, 5, 2, 4, 3), {"series": randn(6, 7, 3) + 2})
    network("tcn", Tcn(2, [4, 4, 3], 3, 4, 3), {"series": randn(6, 15, 2)})
    config = PatchTSTConfig(
        num_input_channels=1, context_length=13, patch_length=4, patch_stride=3, prediction_length=5, num_hidden_layers=2,
        d_model=8, num_attention_heads=2, ffn_dim=12, attention_dropout=0.0, head_dropout=0.0, scaling="std", loss="mse",
        pooling_type=None, positional_encoding_type="random",
    )
    network("patch_tst", PatchTst(config), {"series": randn(6, 13, 1) + 3}, {"series": randn(6, 13, 1) * 2})
