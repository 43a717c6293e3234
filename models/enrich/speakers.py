"""Whose words a quotation holds.

A quotation is the speaker's over all of its sentences and paragraphs, however far away the tag:

    "A," said X. "B."        B is X's too: same paragraph, no speaker of its own
    "A …                     paragraphs that open with a mark, the last one closed,
    "B," X said.             are one quotation
    X said: "A. B. C"        the tag may stand before
    "A, and he told me 'B'"  B is whose words the outer speaker says they are, else the speaker's

What no tag tells is left open: None.
"""

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from eventwire.models.enrich.grammar import (
    AFTER_SPEAKER,
    BEFORE_VERB,
    CLAUSE_STARTS,
    OPENS_RELATIVE,
    POSSESSIVES,
    SPEECH,
)
from eventwire.models.enrich.lexicon import Word
from eventwire.models.enrich.quotations import Quotation

if TYPE_CHECKING:
    from eventwire.models.enrich.story import Story

Offsets = tuple[int, int]


def speaker_at(story: "Story", position: int) -> Offsets | None:
    """The words that name whose quotation holds a position; None outside of quotations."""
    quotation = story.people.quotation_at(position)
    if quotation is None:
        return None
    for inner in quotation.nested:
        if inner.start < position < inner.end:
            told = _tag_around(story, inner, quotation.start + 1, quotation.end - 1)
            if told is not None:
                return told
    return _speaker(story, quotation)


# ------------------------------------------------------------------------------------ details

_FRAGMENT = 4
"""Words up to which a quotation without a mark at its end is no sentence."""
_CHAIN = 30
"""Quotations in a row through which a speaker is looked for."""
_SENTENCE_MARKS = frozenset(",.?!…")


def _speaker(story: "Story", quotation: Quotation) -> Offsets | None:
    quotations = story.people.quotations
    index = bisect_left(quotations, quotation)
    text = story.text
    begin, end = _paragraph(text, quotation)
    own = _tag_around(story, quotation, begin, end)
    if own is not None:
        return own
    # The following paragraph goes on with the same quotation, and may close it with a tag.
    after = index
    last = min(len(quotations), index + _CHAIN)
    while quotations[after].continued and after + 1 < last:
        after += 1
        span = _tag_around(story, quotations[after], *_paragraph(text, quotations[after]))
        if span is not None:
            return span
    if _is_fragment(story, quotation):
        return None
    # The one before: in the same paragraph, left unclosed, or filling the paragraph before this
    # one, which is a quotation and nothing else.
    for _ in range(min(index, _CHAIN)):
        previous = quotations[index - 1]
        same = previous.end > begin
        alone = not story.between(begin, quotation.start) and not story.between(quotation.end, end)
        near = not story.between(previous.end, begin) or _is_tag_only(story, previous.end, begin)
        if not (same or previous.continued or (alone and near)):
            return None
        if previous.continued or not _is_fragment(story, previous):
            span = _tag_around(story, previous, *_paragraph(text, previous))
            if span is not None:
                return span
        index, quotation = index - 1, previous
        begin, end = _paragraph(text, quotation)
    return None


def _is_fragment(story: "Story", quotation: Quotation) -> bool:
    """Whether the quotation is a phrase of its sentence: called it "an act of war"."""
    closed = story.text[quotation.end - 2 : quotation.end - 1] in _SENTENCE_MARKS
    return not closed and len(story.between(quotation.start, quotation.end)) <= _FRAGMENT


def _paragraph(text: str, quotation: Quotation) -> Offsets:
    begin = text.rfind("\n", 0, quotation.start) + 1
    end = text.find("\n", quotation.end)
    return begin, len(text) if end < 0 else end


def _is_tag_only(story: "Story", start: int, end: int) -> bool:
    """Whether only a short tag, "said X on Monday.", stands between."""
    between = story.between(start, end)
    return len(between) <= 12 and any(word.key in SPEECH for word in between)


def _tag_around(story: "Story", quotation: Quotation, begin: int, end: int) -> Offsets | None:
    """The tag right after a quotation, or else right before it, inside text[begin:end]."""
    text = story.text
    after = _sentence_after(text, quotation.end, end)
    mark = text[quotation.end - 2 : quotation.end - 1]
    if mark != "." or _first_is_lower(story, *after):
        span = _name_in_tag(text, story.between(*after), first=True)
        if span is not None:
            return span
    before = _sentence_before(text, begin, quotation.start)
    words = story.between(*before)
    joint = text[before[0] : quotation.start].rstrip()[-1:]
    if words and (joint in (":", ",") or joint.isalnum()):
        return _name_in_tag(text, words, first=False)
    return None


def _sentence_after(text: str, start: int, end: int) -> Offsets:
    for match in _SENTENCE_END.finditer(text, start, end):
        if match.group() != "." or not _ABBREVIATION.search(text, start, match.start()):
            return start, match.start()
    return start, end


def _sentence_before(text: str, begin: int, end: int) -> Offsets:
    for match in _SENTENCE_END.finditer(text, begin, end):
        if match.group() != "." or not _ABBREVIATION.search(text, begin, match.start()):
            begin = match.end()
    return begin, end


def _first_is_lower(story: "Story", start: int, end: int) -> bool:
    words = story.between(start, end)
    return bool(words) and not words[0].upper


def _name_in_tag(text: str, words: list[Word], *, first: bool) -> Offsets | None:
    """Who speaks in a tag; `first`: the tag follows its quotation."""
    if first and words and words[0].key == "according" and len(words) > 2:
        return _phrase_from(text, words, 2)
    verbs = [i for i, word in enumerate(words) if word.key in SPEECH]
    if not verbs:
        if words and words[0].key == "according" and len(words) > 2:
            return _phrase_from(text, words, 2)
        return None
    verb = verbs[0] if first else verbs[-1]
    if first and verb == 0:
        return _phrase_from(text, words, 1)
    if not first and verb == 0:
        return None
    return _phrase_before(text, words, verb)


def _phrase_from(text: str, words: list[Word], position: int) -> Offsets | None:
    """The noun phrase that begins at a word, its apposition left out."""
    if position < len(words) and words[position].key in ("to", "that"):
        return None
    last = position
    while last < len(words):
        word = words[last]
        gap = text[words[last - 1].end : word.start] if last > position else ""
        if last > position and set(gap) & set(",;:—–()"):
            break
        if last > position and word.key in AFTER_SPEAKER:
            break
        last += 1
    return _trim(words, position, last)


def _phrase_before(text: str, words: list[Word], verb: int) -> Offsets | None:
    """The noun phrase that ends before a verb, and the apposition in it."""
    last = verb
    while last > 0 and words[last - 1].key in BEFORE_VERB and not _broken(text, words, last):
        last -= 1
    if last > 0 and _broken(text, words, last):
        # "X, the foreign minister, said": the name stands before the comma that opens.
        opened = last - 1
        for position in range(1, last):
            if words[position].key in OPENS_RELATIVE and _broken(text, words, position):
                opened = position
                break
        while opened > 0 and not _broken(text, words, opened):
            opened -= 1
        if opened == 0:
            return _trim(words, 0, last)
        return _trim(words, _phrase_start(text, words, opened), opened)
    return _trim(words, _phrase_start(text, words, last), last)


def _broken(text: str, words: list[Word], position: int) -> bool:
    """Whether a comma stands before words[position]."""
    return "," in text[words[position - 1].end : words[position].start]


def _phrase_start(text: str, words: list[Word], last: int) -> int:
    first = last
    while first > 0:
        word = words[first - 1]
        if first < last and set(text[word.end : words[first].start]) & set(",;:—–("):
            break
        if word.key in CLAUSE_STARTS or word.key in SPEECH:
            break
        first -= 1
    return first


def _trim(words: list[Word], first: int, last: int) -> Offsets | None:
    while first < last and words[first].key in ("the", "a", "an"):
        first += 1
    if first >= last or last - first > 12:
        return None
    if words[first].key in POSSESSIVES and last - first == 1:
        return None
    return words[first].start, words[last - 1].end


_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[\"“”«»\n]")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Gen|Col|St|Lt|Sen|Rep|Gov|Prof|[A-Z])$")
