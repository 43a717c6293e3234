"""How far what is coded has moved from what the model was made for.

A profile is a table of histograms: it counts, feature by feature, what texts are like and what was
found in them. The reference is the profile of ordinary news of many outlets, stored with the model.
A window of recent articles is compared with it by the population stability index: the sum over the
bins of (q - p) ln(q / p), p the reference's share and q the window's. By convention less than 0.1
is no shift and more than 0.25 a major one.
"""

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

Profile = dict[str, dict[str, int]]
"""Feature to bin to count."""

FEATURES = (
    "event_type", "status", "confidence", "sentence_length", "unknown_tokens", "language"
)  # fmt: skip
OTHER = "other"
"""What the reference does not have, such as a language: so bins stay as many as it has, and one."""

CONFIDENCES = tuple(n / 10 for n in range(1, 11))
LENGTHS = (50, 75, 100, 125, 150, 200, 250, 300, 400)
"""Characters of a sentence. None below 50: the reference is made of sentences chosen one by one,
and has hardly any of 25, which are two of a hundred in whole articles: an index of 0.13 for
nothing."""
UNKNOWN_SHARES = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Of a sentence's tokens."""

ENOUGH = 20
"""Observations a bin, on average, below which an index is 0: between samples of one and the same
distribution it is about one divided by this, and half of it or more would look like a shift."""
ARTICLES = 1_000
"""The window forgets an article by and by: after that many more its weight is 1/e."""


class Found(Protocol):
    """What a profile counts of an event."""

    @property
    def event_type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def confidence(self) -> float: ...


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """`reference.json` of a model folder."""

    sha256: str
    """Of the weights that coded the news."""
    sentences: int
    histograms: Profile


def profile(
    *,
    language: str | None,
    lengths: Sequence[int] = (),
    unknown_shares: Sequence[float] = (),
    events: Iterable[Found] = (),
) -> Profile:
    """Of one article: what its language is, if that can be told, and for each sentence its
    characters and the share of its tokens that the model does not know."""
    found: Profile = {}

    def count(feature: str, bin_: str) -> None:
        bins = found.setdefault(feature, {})
        bins[bin_] = bins.get(bin_, 0) + 1

    for event in events:
        count("event_type", event.event_type)
        count("status", event.status)
        count("confidence", _bin(event.confidence, CONFIDENCES))
    for length in lengths:
        count("sentence_length", _bin(length, LENGTHS))
    for share in unknown_shares:
        count("unknown_tokens", _bin(share, UNKNOWN_SHARES))
    if language is not None:
        count("language", language)
    return found


def _bin(value: float, edges: Sequence[float]) -> str:
    """Named by its upper edge, which it includes."""
    place = bisect.bisect_left(edges, value)
    return f"{edges[place]:g}" if place < len(edges) else "more"


def add(total: Profile, more: Profile) -> None:
    for feature, bins in more.items():
        into = total.setdefault(feature, {})
        for bin_, count in bins.items():
            into[bin_] = into.get(bin_, 0) + count


def psi(reference: Mapping[str, float], recent: Mapping[str, float]) -> float:
    """Of two histograms with the same bins, 0 or more; half an observation is added to each bin, so
    that an empty one has a logarithm."""
    expected, seen = sum(reference.values()), sum(recent.values())
    added = 0.5 * len(reference)
    index = 0.0
    for bin_, count in reference.items():
        p = (count + 0.5) / (expected + added)
        q = (recent[bin_] + 0.5) / (seen + added)
        index += (q - p) * math.log(q / p)
    return index


class Window:
    """The profile of recent articles beside a reference. Its memory is bounded by the latter's."""

    def __init__(self, reference: Profile, articles: int = ARTICLES) -> None:
        self._keep = 1 - 1 / articles
        self._reference = {
            feature: {OTHER: 0, **reference.get(feature, {})} for feature in FEATURES
        }
        self._recent = {
            feature: dict.fromkeys(bins, 0.0) for feature, bins in self._reference.items()
        }

    def add(self, article: Profile) -> None:
        for feature, bins in self._recent.items():
            for bin_ in bins:
                bins[bin_] *= self._keep
            for bin_, count in article.get(feature, {}).items():
                bins[bin_ if bin_ in bins else OTHER] += count

    def psi(self, feature: str) -> float:
        """0 also where the reference or the window has seen too little."""
        reference, recent = self._reference[feature], self._recent[feature]
        enough = ENOUGH * len(reference)
        if sum(recent.values()) < enough or not any(reference.values()):
            return 0.0
        return psi(reference, recent)
