"""A reliability diagram (DeGroot and Fienberg): how often events of each confidence are right.

Dots on the diagonal are what the confidence promises; a dot's area is the number of its events.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

BINS = 10
"""Of equal width."""
SIDE, MARGIN = 400, 48
"""Pixels."""
LARGEST = 16
"""Radius in pixels of the dot with most events."""


@dataclass(frozen=True, slots=True)
class Bin:
    confidence: float
    """Mean of its events."""
    right: float
    """Share of its events."""
    events: int


def bins(confidences: Iterable[tuple[float, bool]]) -> list[Bin]:
    """Of predicted events with whether they are right; bins without events are left out."""
    groups: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in confidences:
        groups.setdefault(min(int(confidence * BINS), BINS - 1), []).append((confidence, right))
    return [
        Bin(fmean(c for c, _ in group), fmean(float(right) for _, right in group), len(group))
        for _, group in sorted(groups.items())
    ]


def error(found: Iterable[Bin]) -> float | None:
    """Expected calibration error: mean distance to the diagonal over all events; None without."""
    found = list(found)
    if not found:
        return None
    distances = (each.events * abs(each.confidence - each.right) for each in found)
    return sum(distances) / sum(each.events for each in found)


def svg(found: Iterable[Bin], title: str) -> str:
    """The diagram, with `title` as plain text above it."""
    found = list(found)
    most = max((each.events for each in found), default=1)
    parts = [_text(SIDE / 2, -16, title), f'<rect width="{SIDE}" height="{SIDE}" class="frame"/>']
    parts.append(f'<path d="M0 {SIDE}L{SIDE} 0" class="diagonal"/>')
    for tenth in range(0, BINS + 1, 2):
        at = SIDE * tenth / BINS
        parts.append(_text(at, SIDE + 18, f"{tenth / BINS:.1f}"))
        parts.append(_text(-20, SIDE - at + 4, f"{tenth / BINS:.1f}"))
    for each in found:
        x, y = SIDE * each.confidence, SIDE * (1 - each.right)
        radius = LARGEST * (each.events / most) ** 0.5
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">')
        parts.append(f"<title>{each.events} events, {each.right:.3f} right</title></circle>")
    parts.append(_text(SIDE / 2, SIDE + 38, "confidence, against the share that is right"))
    size = SIDE + 2 * MARGIN
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {-MARGIN} {size} {size}">\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


STYLE = (
    "text{font:13px sans-serif;text-anchor:middle}circle{fill:#1f77b4;fill-opacity:.7}"
    ".frame{fill:#fff;stroke:#888}.diagonal{stroke:#888;stroke-dasharray:4}"
)


def _text(x: float, y: float, text: str) -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}">{safe}</text>'
