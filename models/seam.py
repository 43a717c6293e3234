"""The one seam between the halves: whatever codes articles."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from eventwire.models.drift import Profile
from eventwire.models.records import Article, Coding, ModelRef, Stats


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one article may hold; its coding fails where it holds more, before that costs time or
    memory. Of 4,300 news articles the longest has 414 sentences, and 2,858 tokens in one of them,
    a list."""

    sentences: int = 5_000
    sentence_tokens: int = 10_000
    """Read in windows of equal size, so that memory does not grow with the sentence."""
    events: int = 2_000


class Coder(Protocol):
    """Articles in, codings out: same length, same order.

    A bad article never raises: its coding has outcome `failed` and says why.
    """

    model: ModelRef
    stats: Stats
    """Totals since the coder was made; callers take differences."""
    reference: Profile | None
    """What codings look like on ordinary news; None where nobody knows."""

    @property
    def device(self) -> str:
        """What it computes on: cpu, cuda or mps."""

    @property
    def precision(self) -> str:
        """In which numbers: float32 or bfloat16."""

    def code(self, articles: Sequence[Article]) -> list[Coding]: ...
