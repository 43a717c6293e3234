"""The encoder on a CPU, as inference needs it: no piece is padding.

Whatever is done to each piece alone, and that is 97 % of the work, is done to all pieces of a batch
in one matrix; attention is computed for sentences of one length at a time, in float32, where small
products are faster than the fused kernel and those of bfloat16. That is a tenth less time than with
the encoder of `transformers`, whose weights these are.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertLayer

from eventwire.models.network import EventNetwork, Pieces

Encode = Callable[[Pieces], Tensor]
"""Word vectors (batch, words, width)."""

ROWS = 16
"""The rows of a matrix are filled up to a multiple of this many, 8 of some 700 on average. oneDNN
keeps a kernel for each number of rows that it has met, of half a megabyte; and with a number that 4
does not divide it multiplies a tenth slower."""


def encoder(network: EventNetwork) -> Encode:
    """The fastest way to encode on the device where `network` is, with the weights it has now."""
    if isinstance(network.encoder, BertModel) and network.device.type == "cpu":
        return _PackedBert(network.encoder)
    return network.encode


class _PackedBert:
    def __init__(self, bert: BertModel) -> None:
        self._embeddings = bert.embeddings
        self._layers = [_Layer(cast(BertLayer, layer)) for layer in bert.encoder.layer]

    def __call__(self, pieces: Pieces) -> Tensor:
        inside = pieces.mask.bool()
        ids, case = pieces.ids[inside], pieces.case[inside]
        positions = torch.arange(inside.shape[1]).expand_as(inside)[inside]
        lengths = pieces.mask.sum(1)
        each, counts = torch.unique_consecutive(lengths, return_counts=True)
        alike = list(zip(counts.tolist(), each.tolist(), strict=True))
        if rest := -len(ids) % ROWS:
            alike.append((1, rest))
            ids, case, positions = (functional.pad(t, (0, rest)) for t in (ids, case, positions))
        embeddings = self._embeddings
        x = embeddings.LayerNorm(
            embeddings.word_embeddings(ids)
            + embeddings.token_type_embeddings(case)
            + embeddings.position_embeddings(positions)
        )
        for layer in self._layers:
            x = layer(x, alike)
        begin = (lengths.cumsum(0) - lengths)[:, None]
        words: Tensor = (x[begin + pieces.first] + x[begin + pieces.last]) / 2
        return words


class _Layer:
    def __init__(self, layer: BertLayer) -> None:
        attention = layer.attention.self
        parts = attention.query, attention.key, attention.value
        self._weight = torch.cat([part.weight for part in parts])
        self._bias = torch.cat([part.bias for part in parts])
        self._heads = attention.num_attention_heads
        self._attended = layer.attention.output
        self._up, self._down = layer.intermediate, layer.output

    def __call__(self, x: Tensor, alike: list[tuple[int, int]]) -> Tensor:
        """`x` (pieces, width); `alike`: how many sentences, of how many pieces each."""
        projected = functional.linear(x, self._weight, self._bias)
        parts = projected.split([count * length for count, length in alike])
        attended = torch.cat(
            [self._attend(part, *size) for part, size in zip(parts, alike, strict=True)]
        )
        x = self._attended(attended, x)
        fed: Tensor = self._down(self._up(x), x)
        return fed

    def _attend(self, projected: Tensor, count: int, length: int) -> Tensor:
        """`projected` (count * length, 3 * width) -> (count * length, width)."""
        query, key, value = (
            projected.view(count, length, 3, self._heads, -1)
            .permute(2, 0, 3, 1, 4)
            .to(torch.float32, memory_format=torch.contiguous_format)
            .flatten(1, 2)
        )
        scores = torch.baddbmm(
            query.new_empty(1), query, key.transpose(1, 2), beta=0, alpha=query.shape[-1] ** -0.5
        )
        attended = scores.softmax(-1).bmm(value).view(count, self._heads, length, -1)
        return attended.transpose(1, 2).reshape(count * length, -1).to(projected.dtype)
