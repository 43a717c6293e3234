"""How people are introduced in a text: runs of capitalised words that are names, the titles before
them, the appositions after them, and descriptions such as "a Russian soldier".
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eventwire.models.enrich.grammar import (
    ABBREVIATED,
    APPOSITION,
    COPULAS,
    DETERMINERS,
    GENDER_OF_TITLE,
    MODIFIERS,
    NO_NAME,
    PARTICLES,
    SPEECH,
)
from eventwire.models.enrich.leaders import Person
from eventwire.models.enrich.noun_phrases import merge, read_phrase
from eventwire.models.enrich.phrases import Facts, Phrase

if TYPE_CHECKING:
    from eventwire.models.enrich.story import Story

_OF_CONGRESS = re.compile(r",? \(?[RD]-[A-Z]")
"""As American news introduces who is of which party and state: (R-Tenn.)."""
_LOCATIVES = frozenset(["in", "at", "from", "near", "to", "across", "outside", "inside"])
_NO_MODIFIER = NO_NAME | DETERMINERS
_BREAKS = frozenset(',.;:()"“”\n—–')


def is_predicate(phrase: Phrase, first: int, ends: set[int]) -> bool:
    """Whether a description at words[first] says what somebody named is: "X is a medic", "X, the
    chairman", "joined as a medic"; not "there is a medic"."""
    words = phrase.words
    before = words[first - 1] if first else None
    if before is None:
        return False
    if before.key in COPULAS:
        return first < 2 or words[first - 2].key != "there"
    return before.key == "as" or (before.end in ends and phrase.gap(first).strip() == ",")


def named_after(phrase: Phrase, end: int, named: dict[int, Person]) -> Person | None:
    """Whose name follows the next comma, within a dozen words and the sentence."""
    for position in range(end, min(len(phrase.words), end + 12)):
        gap = phrase.gap(position)
        if set(gap) & _BREAKS:
            return named.get(phrase.words[position].start) if gap.strip() == "," else None
    return None


def _runs(phrase: Phrase, story: "Story") -> Iterator[tuple[int, int]]:
    """Runs of up to five unknown capitalised words: names, mostly of people.

    One word at the start of a sentence is none if the article writes it small elsewhere, nor is a
    word in capitals, as of a dateline, or the front of an institution's name.
    """
    words = phrase.words
    small = {word.key for word in words if not word.upper}
    begins = {s.start for s in story.sentences}
    position = 0
    while position < len(words):
        if not phrase.is_name(position):
            position += 1
            continue
        first, end = position, _run_end(phrase, position)
        position = end
        word = words[first]
        opens = word.start in begins or phrase.text[word.start - 1] in "\"“‘'«(\n"
        everyday = end - first == 1 and opens and word.key in small
        capitals = word.text.isupper() and len(word.text) > 3
        if not (everyday or capitals or end - first > 5 or _is_institution(phrase, end)):
            yield first, end


def names(phrase: Phrase, story: "Story") -> Iterator[tuple[int, int]]:
    """Runs of capitalised words that are names, mostly of people; without the word that opens the
    sentence, where the full name after it stands alone elsewhere: "Clearly Ana Kos"."""
    runs = list(_runs(phrase, story))
    begins = {sentence.start for sentence in story.sentences}
    full = {phrase.quote(first, end) for first, end in runs if end - first > 1}
    for first, end in runs:
        opens = end - first > 2 and phrase.words[first].start in begins
        yield (first + 1 if opens and phrase.quote(first + 1, end) in full else first), end


def _run_end(phrase: Phrase, first: int) -> int:
    words, end = phrase.words, first + 1
    while end < len(words) and not words[end - 1].possessive:
        gap = phrase.gap(end)
        if "\n" in gap or (gap.strip() and gap not in (". ", " ‘", "-")):
            break
        if gap == ". " and len(words[end - 1].text) > 2:
            break
        if phrase.is_name(end):
            end += 1
        elif words[end].key in PARTICLES and not phrase.at[end] and phrase.is_name(end + 1):
            end += 2
        else:
            break
    return end


def _is_institution(phrase: Phrase, end: int) -> bool:
    """Whether a run ends in front of "Brigade", as in Azov Brigade."""
    return end < len(phrase.words) and phrase.words[end].upper and is_body(phrase, end)


def is_body(phrase: Phrase, position: int) -> bool:
    """Whether an institution follows at once."""
    mention = phrase.at[position]
    return mention is not None and mention.sense.body and phrase.gap(position) == " "


def described(phrase: Phrase, first: int, end: int) -> tuple[Facts, bool]:
    """What titles before and an apposition after a name say; whether there is any."""
    left = leftmost(phrase, first)
    facts, titled = Facts(), False
    if left < first:
        facts = read_phrase(phrase, left, end)
        titled = facts.person is not None and facts.role is not None
    elif first > 0 and phrase.gap(first).strip() == ",":
        before = phrase.at[first - 1]
        if before is not None and before.sense.person:  # "the foreign minister, X"
            facts, titled = read_phrase(phrase, leftmost(phrase, before.first), first), True
    titled = titled or (first > 0 and phrase.words[first - 1].key in GENDER_OF_TITLE)
    after = _apposition(phrase, end)
    if after is not None:
        facts, titled = merge(facts, after) if titled else after, True
    if _OF_CONGRESS.match(phrase.text, phrase.words[end - 1].end):
        american = Facts(country="USA", sector="LEG", how="exact")
        facts, titled = merge(facts, american) if titled else american, True
    return (facts if titled else Facts()), titled


def _apposition(phrase: Phrase, end: int) -> Facts | None:
    """ ", the foreign minister of Ukraine," after a name."""
    words = phrase.words
    if end >= len(words) or words[end - 1].possessive or phrase.gap(end).strip() != ",":
        return None
    opening, known = words[end], phrase.at[end]
    telling = known is not None and (opening.possessive or known.sense.kind != "organisation")
    if opening.key not in APPOSITION and not telling:
        return None
    stop = end + 1
    while stop < min(len(words), end + 14) and not set(phrase.gap(stop)) & _BREAKS:
        stop += 1
    facts = read_phrase(phrase, end, stop)
    return facts if facts.role and facts.role.person and not facts.person else None


def description_start(phrase: Phrase, first: int) -> int:
    """Where a description begins, up to three adjectives included: "the tech entrepreneur"."""
    first = leftmost(phrase, first)
    for _ in range(3):
        word = phrase.words[first - 1]
        if first == 0 or phrase.at[first - 1] or word.upper or word.key in _NO_MODIFIER:
            break
        if phrase.gap(first).strip():
            break
        first -= 1
    return first


def leftmost(phrase: Phrase, first: int) -> int:
    """Where the titles before words[first] begin."""
    position = first
    while position > 0:
        gap, before = phrase.gap(position), phrase.words[position - 1]
        if gap.strip(" \u00a0'’sS.") or "\n" in gap:
            break
        if "." in gap and before.key not in ABBREVIATED:
            break
        if phrase.at[position - 1] is None:
            owner = before.upper and before.possessive and before.key not in NO_NAME
            compound = "-" in before.key and not before.possessive
            if not (owner or compound or before.key in MODIFIERS):
                break
        elif _is_place_of(phrase, position):
            break
        position -= 1
    return position


def _is_place_of(phrase: Phrase, position: int) -> bool:
    """Whether a country before words[position] says where: "in Kenya President X left"; not "in
    Kenya's army", nor US, which is an adjective too."""
    known, before = phrase.at[position - 1], phrase.words[position - 1]
    if known is None or known.sense.kind != "country" or before.possessive or before.text.isupper():
        return False
    return known.first > 0 and phrase.words[known.first - 1].key in _LOCATIVES


def speaks(phrase: Phrase, first: int, end: int) -> bool:
    words = phrase.words
    after = words[end].key if end < len(words) and phrase.gap(end).strip() == "" else ""
    before = words[first - 1].key if first and phrase.gap(first).strip() == "" else ""
    return after in SPEECH or before in SPEECH
