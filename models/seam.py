"""The one seam between the halves: whatever codes articles."""

from collections.abc import Sequence
from typing import Protocol

from eventwire.models.records import Article, Coding, ModelRef, Stats


class Coder(Protocol):
    """Articles in, codings out: same length, same order.

    A bad article never raises: its coding has outcome `failed` and says why.
    """

    model: ModelRef
    stats: Stats
    """Totals since the coder was made; callers take differences."""

    def code(self, articles: Sequence[Article]) -> list[Coding]: ...
