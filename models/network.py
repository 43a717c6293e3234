"""The network: one encoder pass, triggers, then arguments and status for each trigger.

The encoder reads word pieces. Everything after it works on words: a word's vector is the mean of
its first and last piece. Triggers are words labelled with an event type (or none). For each
trigger a narrow transformer reads the sentence again with the trigger marked, so that two events
of one sentence can have different arguments; from it come role labels for every word and the
status of the event.

Shapes below: batch sentences, seq pieces, words, width of the encoder, triggers of the whole batch.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedConfig,
    PreTrainedModel,
)

from eventwire.models import weights
from eventwire.models.corpus import ROLES

REACH = 24
"""Word distances from the trigger are told apart up to this many words each way."""


class NetworkConfig(PreTrainedConfig):
    model_type = "eventwire"

    def __init__(
        self,
        *,
        encoder: dict[str, Any] | None = None,
        types: list[str] | None = None,
        statuses: list[str] | None = None,
        reader_width: int = 256,
        reader_layers: int = 1,
        reader_heads: int = 4,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoder = encoder or {}
        self.types = types or []
        self.statuses = statuses or []
        self.reader_width = reader_width
        self.reader_layers = reader_layers
        self.reader_heads = reader_heads
        self.dropout = dropout


@dataclass(frozen=True)
class Pieces:
    """Encoder input."""

    ids: Tensor
    """(batch, seq) piece ids."""
    case: Tensor
    """(batch, seq) 0 lower or none, 1 Capitalised, 2 UPPER or miXed; the vocabulary is uncased."""
    mask: Tensor
    """(batch, seq) 1 for pieces, 0 for padding."""
    first: Tensor
    """(batch, words) index of each word's first piece; 0 for padding."""
    last: Tensor
    """(batch, words) index of each word's last piece; 0 for padding."""
    word_mask: Tensor
    """(batch, words) True for words, False for padding."""

    def to(self, device: str | torch.device) -> "Pieces":
        return Pieces(**{name: tensor.to(device) for name, tensor in vars(self).items()})


@dataclass(frozen=True)
class Triggers:
    """Which triggers to read the arguments of."""

    sentence: Tensor
    """(triggers,) row of the batch."""
    words: Tensor
    """(triggers, words) True on the trigger's words; at least one each."""
    type: Tensor
    """(triggers,) event type index."""


@dataclass(frozen=True)
class Reading:
    """What was read about each trigger, as logits."""

    inside: Tensor
    """(triggers, words, roles) the word belongs to a span of the role."""
    begin: Tensor
    """(triggers, words, roles) the word begins one."""
    status: Tensor
    """(triggers, statuses)"""


class ReaderLayer(nn.Module):
    """A transformer layer, normalised first. Attention is plain products: the fused kernels are
    slower at a sentence's length on a CPU, their backward pass by far."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x` (batch, words, width), `mask` (batch, words) True for words."""
        batch, words, width = x.shape
        projected = self.query_key_value(self.attention_norm(x))
        query, key, value = (
            part.view(batch, words, self.heads, -1).transpose(1, 2)
            for part in projected.chunk(3, dim=-1)
        )
        scores = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5
        scores = scores.masked_fill(~mask[:, None, None], -1e4).softmax(-1).to(value.dtype)
        x = x + self.attended((scores @ value).transpose(1, 2).reshape(batch, words, width))
        fed: Tensor = x + self.feed(self.feed_norm(x))
        return fed


class Reader(nn.Module):
    """Arguments and status, conditioned on the trigger."""

    def __init__(self, config: NetworkConfig, width: int) -> None:
        super().__init__()
        narrow = config.reader_width
        self.word = nn.Linear(width, narrow)
        self.trigger = nn.Linear(width, narrow)
        self.kind = nn.Embedding(len(config.types), narrow)
        self.distance = nn.Embedding(2 * REACH + 2, narrow)
        self.norm = nn.LayerNorm(narrow)
        self.layers = nn.ModuleList(
            ReaderLayer(narrow, config.reader_heads) for _ in range(config.reader_layers)
        )
        self.final_norm = nn.LayerNorm(narrow)
        self.dropout = nn.Dropout(config.dropout)
        self.spans = nn.Linear(narrow, 2 * len(ROLES))
        self.status = nn.Sequential(
            nn.Linear(width + 2 * narrow, narrow),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(narrow, len(config.statuses)),
        )

    def forward(self, words: Tensor, word_mask: Tensor, triggers: Triggers) -> Reading:
        """`words` (batch, words, width), `word_mask` (batch, words)."""
        here, mask = words[triggers.sentence], word_mask[triggers.sentence]
        weight = triggers.words.to(here.dtype)
        weight = weight / weight.sum(1, keepdim=True)
        trigger = torch.einsum("tw,twh->th", weight, here)
        condition = self.trigger(trigger) + self.kind(triggers.type)
        x = self.word(here) + condition[:, None] + self.distance(distances(triggers.words))
        x = self.dropout(self.norm(x))
        for layer in self.layers:
            x = layer(x, mask)
        x = self.final_norm(x)
        inside, begin = self.spans(self.dropout(x)).chunk(2, dim=-1)
        at_trigger = torch.einsum("tw,twh->th", weight, x)
        everywhere = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        status = self.status(torch.cat([trigger, at_trigger, everywhere], dim=-1))
        return Reading(inside=inside, begin=begin, status=status)


def distances(trigger_words: Tensor) -> Tensor:
    """(triggers, words) bools -> index of each word's signed distance to its trigger.

    0 … REACH-1 before it, REACH on it, REACH+1 … 2*REACH after it.
    """
    count = trigger_words.shape[1]
    position = torch.arange(count, device=trigger_words.device)
    start = trigger_words.int().argmax(1, keepdim=True)
    end = count - 1 - trigger_words.flip(1).int().argmax(1, keepdim=True)
    before = (position - start).clamp(max=0)
    after = (position - end).clamp(min=0)
    return (before + after).clamp(-REACH, REACH) + REACH


ENCODERS = ("bert", "mpnet")
CASES = 3


def _encoder(stored: dict[str, Any]) -> BertModel | MPNetModel:
    """MiniLM is a BERT; MPNet is the teacher of training."""
    if stored.pop("model_type", "bert") == "mpnet":
        return MPNetModel(MPNetConfig(**stored), add_pooling_layer=False)
    config = BertConfig(**stored, type_vocab_size=CASES)
    config._attn_implementation = "sdpa"
    return BertModel(config, add_pooling_layer=False)


class EventNetwork(PreTrainedModel):
    config_class = NetworkConfig
    config: NetworkConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.encoder = _encoder(dict(config.encoder))
        width: int = self.encoder.config.hidden_size
        if isinstance(self.encoder, MPNetModel):
            self.case = nn.Embedding(CASES, width)
        self.triggers = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(width, 1 + len(config.types)),
        )
        self.reader = Reader(config, width)
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_encoder(cls, folder: Path, config: NetworkConfig) -> "EventNetwork":
        """A fresh network around a pretrained encoder; `config.encoder` is filled in.

        Raises WeightsError where `folder` holds neither a BERT nor an MPNet encoder.
        """
        stored = json.loads((folder / "config.json").read_text())
        if stored.get("model_type") not in ENCODERS:
            raise weights.WeightsError(f"{folder}: expected an encoder of {' or '.join(ENCODERS)}")
        keep = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers",
                "num_attention_heads", "intermediate_size", "max_position_embeddings",
                "layer_norm_eps")  # fmt: skip
        config.encoder = {name: stored[name] for name in keep}
        config.encoder["attention_probs_dropout_prob"] = 0.0
        network = cls(config)
        base = type(network.encoder).from_pretrained(
            folder, add_pooling_layer=False, dtype=torch.float32
        )
        state = base.state_dict()
        if isinstance(network.encoder, BertModel):
            # The token types say the case of a word here; all start as the pretrained type 0.
            name = "embeddings.token_type_embeddings.weight"
            state[name] = state[name][:1].repeat(CASES, 1)
        else:
            nn.init.zeros_(network.case.weight)
        missing, unexpected = network.encoder.load_state_dict(state, strict=False)
        if [m for m in missing if "position_ids" not in m] or unexpected:
            raise weights.WeightsError(
                f"{folder}: not an encoder: missing {missing}, extra {unexpected}"
            )
        return network

    def encode(self, pieces: Pieces) -> Tensor:
        """Word vectors (batch, words, width)."""
        if isinstance(self.encoder, BertModel):
            hidden = self.encoder(
                input_ids=pieces.ids, token_type_ids=pieces.case, attention_mask=pieces.mask
            ).last_hidden_state
        else:
            embedded = self.encoder.embeddings.word_embeddings(pieces.ids) + self.case(pieces.case)
            hidden = self.encoder(
                inputs_embeds=embedded, attention_mask=pieces.mask
            ).last_hidden_state
        rows = torch.arange(len(hidden), device=hidden.device)[:, None]
        words: Tensor = (hidden[rows, pieces.first] + hidden[rows, pieces.last]) / 2
        return words

    def trigger_logits(self, words: Tensor) -> Tensor:
        """(batch, words, width) -> (batch, words, 1 + types); class 0 is no event."""
        logits: Tensor = self.triggers(words)
        return logits

    def read(self, words: Tensor, word_mask: Tensor, triggers: Triggers) -> Reading:
        reading: Reading = self.reader(words, word_mask, triggers)
        return reading

    def save_pretrained(self, folder: str | Path, **_: Any) -> None:  # type: ignore[override]
        """Write config.json and model.safetensors (8-bit rows, see `weights`)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.config.save_pretrained(folder)
        weights.save(folder, self.state_dict())

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, folder: str | Path, **_: Any
    ) -> "EventNetwork":
        """Read what `save_pretrained` wrote, in float32. Raises WeightsError."""
        folder = Path(folder)
        state = weights.load(folder)
        stored = weights.load_config(folder)
        try:
            config = NetworkConfig(**stored)
            if config.reader_width % config.reader_heads:  # which no shape of a weight tells
                raise weights.WeightsError(
                    f"{folder / weights.CONFIG}: expected reader_heads that divide reader_width,"
                    f" {config.reader_width}, got {config.reader_heads}; {weights.REMEDY}"
                )
            network = cls(config)
            network.load_state_dict(state)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise weights.unfit(folder, error) from error
        network.train(mode=False)
        return network


def span_loss(reading: Reading, inside: Tensor, begin: Tensor, mask: Tensor) -> Tensor:
    """Summed over words and roles, mean over triggers; targets (triggers, words, roles) in 0..1."""
    losses = nn.functional.binary_cross_entropy_with_logits(
        reading.inside, inside, reduction="none"
    )
    losses = losses + nn.functional.binary_cross_entropy_with_logits(
        reading.begin, begin, reduction="none"
    )
    return (losses * mask[..., None]).sum() / max(1, len(mask))
