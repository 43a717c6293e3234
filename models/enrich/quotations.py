"""Quotations of a text: which stretches are somebody's words, and inside whose."""

from typing import NamedTuple


class Quotation(NamedTuple):
    """text[start:end], quote marks included; an unclosed one ends with its paragraph.

    `continued`: closed by nothing, and the next paragraph opens with a quote mark, so that the
    same person goes on speaking there.
    """

    start: int
    end: int
    continued: bool
    nested: tuple["Quotation", ...] = ()
    """Quotations in single marks inside, disjoint."""


def quotations(text: str) -> list[Quotation]:
    """Outermost quotations in order, disjoint, none across a paragraph.

    Knows “ ”, " and « », and ‘ ’ or ' where they are no apostrophes. A mark that opens without a
    partner quotes the rest of its paragraph; one after a letter or digit, or before a space, opens
    nothing.
    """
    paragraphs = _paragraphs(text)
    found: list[Quotation] = []
    for index, (start, end) in enumerate(paragraphs):
        following = paragraphs[index + 1][0] if index + 1 < len(paragraphs) else None
        goes_on = following is not None and text[following] in _OPENING
        found += _of_paragraph(text, start, end, goes_on)
    return found


# Opening marks of the outer level and what closes each.
_CLOSING = {"“": "”", '"': '"', "«": "»", "„": "“”"}
_OPENING = frozenset(_CLOSING) | {"‘"}


def _paragraphs(text: str) -> list[tuple[int, int]]:
    found = []
    start = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            first = start + line.index(stripped[0])
            found.append((first, first + len(stripped)))
        start += len(line)
    return found


def _of_paragraph(text: str, start: int, end: int, goes_on: bool) -> list[Quotation]:
    found: list[Quotation] = []
    double = any(text.find(mark, start, end) >= 0 for mark in _CLOSING)
    position = start
    while position < end:
        mark = text[position]
        if mark in _CLOSING and _may_open(text, position):
            close = _first_of(text, _CLOSING[mark], position + 1, end)
            if close < 0:
                inner = tuple(_single(text, position + 1, end))
                found.append(Quotation(position, end, goes_on, inner))
                break
            inner = tuple(_single(text, position + 1, close))
            found.append(Quotation(position, close + 1, False, inner))
            position = close + 1
        else:
            position += 1
    if not double:
        singles = _single(text, start, end)
        if not singles and text[start] in "‘'" and goes_on:
            return [Quotation(start, end, True)]
        return singles
    return found


def _may_open(text: str, position: int) -> bool:
    after = text[position + 1 : position + 2]
    return not text[position - 1 : position].isalnum() and bool(after) and not after.isspace()


def _first_of(text: str, marks: str, start: int, end: int) -> int:
    places = [place for mark in marks if (place := text.find(mark, start, end)) >= 0]
    return min(places, default=-1)


def _single(text: str, start: int, end: int) -> list[Quotation]:
    """Quotations in single marks: open before a letter at a word's start, close after its end."""
    found: list[Quotation] = []
    opened = -1
    for position in range(start, end):
        mark = text[position]
        if mark not in "‘’'":
            continue
        before = text[position - 1] if position > 0 else " "
        after = text[position + 1] if position + 1 < len(text) else " "
        if opened < 0:
            if mark in "‘'" and not before.isalnum() and after.isalnum():
                opened = position
        elif mark in "’'" and not after.isalnum() and not before.isspace():
            # "the rebels' base": an apostrophe, unless the quotation ends here.
            if before.isalpha() and before in "sS" and _closes_later(text, position + 1, end):
                continue
            found.append(Quotation(opened, position + 1, False))
            opened = -1
    return found


def _closes_later(text: str, start: int, end: int) -> bool:
    """Whether a closing mark follows before another opens."""
    for position in range(start, end):
        mark = text[position]
        if mark not in "‘’'":
            continue
        before, after = text[position - 1], text[position + 1 : position + 2] or " "
        if mark in "’'" and not after.isalnum() and not before.isspace():
            return True
        if not before.isalnum() and not after.isspace():
            return False
    return False
