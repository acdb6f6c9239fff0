"""What do transformers over the columns of tables answer? Writes fixtures as `parity_networks.py` does, which says what is in them.

    /tmp/peer/bin/python tests/peers/parity_columns.py
"""

import rtdl_revisiting_models as rtdl
import torch
import torch.nn as nn

from parity_networks import network
from parity_torch import begin, randn


class FtTransformer(nn.Module):
    """The network of the package, its inputs called as Firebox calls them."""

    def __init__(self, numbers, sizes, blocks, width, heads, hidden, outputs):
        super().__init__()
        made = rtdl.FTTransformer(
            n_cont_features=numbers, cat_cardinalities=sizes, d_out=outputs, n_blocks=blocks, d_block=width,
            attention_n_heads=heads, attention_dropout=0.0, ffn_d_hidden=hidden, ffn_d_hidden_multiplier=None,
            ffn_dropout=0.0, residual_dropout=0.0,
        )
        for name, child in made.named_children():
            self.add_module(name, child)
        # Not a module of this one, so that its parameters are named once.
        self.rest = [made]

    def forward(self, numbers, categories):
        return self.rest[0](numbers, categories.long())


def networks():
    rows = 6
    codes = torch.stack([torch.randint(0, size, (rows,)) for size in (4, 7)], 1)
    table = {"numbers": randn(rows, 3), "categories": codes.double()}
    network("ft_transformer", FtTransformer(3, [4, 7], 2, 12, 3, 7, 4), table)


if __name__ == "__main__":
    begin(4)
    networks()
