"""The people of an article: who is called what, and whom a pronoun means."""

import re
import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from eventwire.models.lexicon import key_of, read
from eventwire.models.phrases import NO_NAME, Facts, Phrase, merge, read_phrase, words_of
from eventwire.models.quotations import Quotation, quotations

if TYPE_CHECKING:
    from eventwire.models.actors import Resolver


@dataclass
class Person:
    """Somebody in an article, or in the list of leaders."""

    name: str | None
    """None for "the suspect"."""
    country: str | None = None
    sector: str | None = None
    roles: set[str] = field(default_factory=set)
    start: int = 0
    """Where the article names them first."""
    gender: str | None = None
    """m or f, where a title tells."""
    listed: bool = False


class _Occurrence(NamedTuple):
    start: int
    end: int
    person: Person


class People:
    """Reads the article once, for full names and what titles and appositions say of them."""

    def __init__(self, resolver: "Resolver") -> None:
        self._resolver = resolver
        self._by_last: dict[str, list[Person]] = {}
        self._occurrences: list[_Occurrence] = []
        self._read()

    def find(self, name: str, before: int | None = None) -> Person | None:
        """The person of that full name or surname; None if nobody or several are called so."""
        keys = _keys(name)
        if not keys:
            return None
        same = [p for p in self._by_last.get(keys[-1], ()) if _compatible(keys, _keys(p.name))]
        if len(same) > 1:
            exact = [p for p in same if _keys(p.name) == keys]
            titled = [p for p in same if p.country or p.sector]
            same = exact if len(exact) == 1 else titled
        return same[0] if len(same) == 1 else None

    def holding(self, role: str, country: str | None, before: int) -> Person | None:
        """The one person whom the article has called by that role before a place."""
        holders = {
            id(o.person): o.person
            for o in self._occurrences
            if o.start < before
            and o.person.name
            and role in o.person.roles
            and (country is None or o.person.country == country)
        }
        return next(iter(holders.values())) if len(holders) == 1 else None

    def meant(self, pronoun: str, start: int) -> Person | None:
        """Whom a pronoun means, if there is exactly one candidate.

        Candidates stand before it in its sentence, else in the last of the three sentences before
        that names anyone. What a quotation mentions is no candidate outside of it.
        """
        if pronoun in ("i", "me", "my", "myself"):
            return self._speaker(start)
        if pronoun in ("who", "whose", "whom"):
            return self._antecedent(start)
        gender = _GENDERS.get(pronoun)
        if gender is None or not self._resolver.sentences:
            return None
        quotation = self.quotation_at(start)
        here = self._resolver.sentence_of(start)
        for index in range(here, max(-1, here - 4), -1):
            sentence = self._resolver.sentences[index]
            candidates: dict[int, Person] = {}
            for one in self._between(sentence.start, min(sentence.end, start)):
                person = one.person
                if person.gender not in (None, gender) or self.quotation_at(one.start) != quotation:
                    continue
                candidates[id(person)] = person
            if len(candidates) == 1:
                return next(iter(candidates.values()))
            if candidates:
                return None
        return None

    @cached_property
    def quotations(self) -> list[Quotation]:
        return quotations(self._resolver.text)

    def quotation_at(self, position: int) -> Quotation | None:
        """The outermost quotation that holds a position."""
        index = bisect_right(self._quotation_starts, position) - 1
        if index >= 0 and position < self.quotations[index].end:
            return self.quotations[index]
        return None

    @cached_property
    def _quotation_starts(self) -> list[int]:
        return [quotation.start for quotation in self.quotations]

    def _speaker(self, start: int) -> Person | None:
        from eventwire.models.attribution import speaker_at  # attribution resolves through us

        span = speaker_at(self._resolver, start)
        if span is None:
            return None
        speaker = self._resolver.participant(*span)[0]
        return Person(speaker.name, speaker.country, speaker.sector)

    def _antecedent(self, start: int) -> Person | None:
        """The person whose mention ends right before "who"."""
        before = self._between(max(0, start - 120), start)
        if not before:
            return None
        gap = self._resolver.text[before[-1].end : start].strip()
        # ", Sweden's defence minister," may stand between.
        return before[-1].person if re.fullmatch(r",?|,[^,.;:!?]+,", gap) else None

    def _between(self, start: int, end: int) -> list[_Occurrence]:
        first = bisect_left(self._starts, start)
        return self._occurrences[first : bisect_left(self._starts, end, first)]

    @cached_property
    def _starts(self) -> list[int]:
        return [occurrence.start for occurrence in self._occurrences]

    # -------------------------------------------------------------------------------- reading

    def _read(self) -> None:
        phrase = Phrase(self._resolver.text, self._resolver.words, self._resolver.lower_case)
        runs = list(_runs(phrase, self._resolver))
        short: list[tuple[int, int, Facts, bool]] = []
        for first, end in runs:
            facts, titled = _described(phrase, first, end)
            if end - first > 1 or titled or _speaks(phrase, first, end):
                self._add(phrase, first, end, facts)
            else:
                short.append((first, end, facts, titled))
        for first, end, _, _ in short:
            name = phrase.text[phrase.words[first].start : phrase.words[end - 1].end]
            if (person := self.find(name)) is not None:
                self._note(phrase, first, end, person)
        self._add_descriptions(phrase)
        self._occurrences.sort(key=lambda occurrence: occurrence.start)

    def _add(self, phrase: Phrase, first: int, end: int, facts: Facts) -> None:
        name = phrase.text[phrase.words[first].start : phrase.words[end - 1].end]
        keys = _keys(name)
        same = [p for p in self._by_last.get(keys[-1], ()) if _compatible(keys, _keys(p.name))]
        if len(same) == 1:
            person = same[0]
            if person.name is None or len(name) > len(person.name) and " " in name:
                person.name = name
        elif len(same) > 1 and len(keys) == 1:
            return
        else:
            person = Person(name, start=phrase.words[first].start)
        self._tell(person, facts, phrase, first)
        for last in {keys[-1], _family_name(keys)}:
            if person not in (known := self._by_last.setdefault(last, [])):
                known.append(person)
        self._note(phrase, first, end, person)

    def _tell(self, person: Person, facts: Facts, phrase: Phrase, first: int) -> None:
        country, sector = facts.country, facts.sector
        if facts.organisation is not None and facts.organisation.generic:
            country = None
        if facts.foreign:
            country = None
        person.country = person.country or country
        if person.sector is None or (facts.role and not facts.role.weak and sector):
            person.sector = person.sector or sector
        if facts.role is not None:
            person.roles.add(facts.role.key)
            person.gender = person.gender or _ROLE_GENDERS.get(facts.role.key)
        if first > 0:
            person.gender = person.gender or _TITLE_GENDERS.get(phrase.words[first - 1].key)

    def _note(self, phrase: Phrase, first: int, end: int, person: Person) -> None:
        words = phrase.words
        self._occurrences.append(_Occurrence(words[first].start, words[end - 1].end, person))

    def _add_descriptions(self, phrase: Phrase) -> None:
        """Persons without a name, "a Russian soldier": a pronoun may mean them."""
        named = {o.start for o in self._occurrences}
        for mention in phrase.mentions:
            sense = mention.sense
            if phrase.at[mention.first] is not mention or not sense.person:
                continue
            end, words = mention.end, phrase.words
            if words[end - 1].possessive or (
                end < len(words)
                and (words[end].start in named or phrase.at[end] is not None)
                and not set(phrase.gap(end)) & set(",.;:")
            ):
                continue  # a title, or the colour of another noun
            first = _leftmost(phrase, mention.first)
            before = words[first - 1].key if first else ""
            if before not in _DETERMINERS and not (first and words[first - 1].possessive):
                continue
            start = words[mention.first].start
            holder = self.holding(sense.key, None, start) if before == "the" else None
            if holder is None:
                facts = read_phrase(phrase, first, end)
                if facts.person:
                    continue
                if near := _appositive(self._occurrences, words[end - 1].end, phrase.text):
                    self._tell(near, facts, phrase, 0)
                    continue
                holder = Person(
                    None, facts.country, facts.sector, gender=_ROLE_GENDERS.get(sense.key)
                )
            self._note(phrase, mention.first, end, holder)


def leader(name: str, published_at: str | None = None, *, titled: bool = False) -> Person | None:
    """A head of state or government of data/leaders.toml, by full name; by surname where no one
    else is called so, or after a title. GOV in office, CVL after it, no sector before it."""
    keys = _keys(name)
    if not keys:
        return None
    entries = _leaders().get(keys[-1], [])
    day = (published_at or "")[:7]
    fitting = [
        entry
        for entry in entries
        if (len(keys) > 1 and _compatible(keys, _keys(entry.name)))
        or (len(keys) == 1 and (titled or not entry.common))
    ]
    if len(fitting) > 1 and day:
        fitting = [e for e in fitting if e.since <= day <= (e.until or "9999")] or fitting
    if len({entry.name for entry in fitting}) != 1:
        return None
    entry = fitting[-1]
    in_office = any(e.since <= day <= (e.until or "9999") for e in fitting) if day else titled
    sector = "GOV" if in_office or (not day and not entry.until) else None
    if sector is None and day and all(e.until and e.until < day for e in fitting):
        sector = "CVL"
    return Person(entry.name, entry.country, sector, listed=True)


class _Leader(NamedTuple):
    name: str
    country: str
    since: str
    until: str | None
    common: bool


@cache
def _leaders() -> dict[str, list[_Leader]]:
    table: dict[str, list[_Leader]] = {}
    path = Path(__file__).with_name("data") / "leaders.toml"
    for country, rows in tomllib.loads(path.read_text("utf-8"))["leaders"].items():
        for row in rows:
            names = [row["name"], *row.get("also", ())]
            for since, until in row["terms"]:
                entry = _Leader(row["name"], country, since, until or None, row.get("common", False))
                for name in names:
                    keys = _keys(name)
                    for last in {keys[-1], _family_name(keys)}:
                        known = table.setdefault(last, [])
                        if entry not in known:
                            known.append(entry)
    return table


def _keys(name: str | None) -> tuple[str, ...]:
    return tuple(word.key for word in read(name)) if name else ()


def _compatible(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two names may be one person's: Zelensky and Volodymyr Zelensky, not Olena Zelenska."""
    short, long = sorted((one, other), key=len)
    if not short or not long:
        return False
    if len(short) == 1:
        return short[0] == long[-1] or short[0] == _family_name(long)
    if short == long or short == long[-len(short) :]:
        return True
    # Middle names and initials: Donald J. Trump.
    return short[-1] == long[-1] and (short[0] == long[0] or short[0][0] == long[0] != short[0])


def _family_name(keys: tuple[str, ...]) -> str:
    """Where the family name comes first: Xi Jinping, Kim Jong Un."""
    return keys[0] if len(keys) > 1 and keys[0] in _FAMILY_FIRST else keys[-1]


def _runs(phrase: Phrase, resolver: "Resolver") -> Iterator[tuple[int, int]]:
    """Runs of up to five unknown capitalised words: names, mostly of people."""
    words, at = phrase.words, phrase.at
    begins = {s.start for s in resolver.sentences}
    position, count = 0, len(words)
    while position < count:
        word = words[position]
        if not phrase.is_name(position):
            position += 1
            continue
        end = position + 1
        while end < count and not words[end - 1].possessive:
            gap = phrase.text[words[end - 1].end : words[end].start]
            if gap not in (" ", "\u00a0", ". ", " \u2018", "-") and not gap.isspace():
                break
            if "\n" in gap or (gap == ". " and len(words[end - 1].text) > 2):
                break
            if phrase.is_name(end):
                end += 1
            elif (
                words[end].key in _JOINTS
                and at[end] is None
                and phrase.is_name(end + 1)
            ):
                end += 2
            else:
                break
        if (
            end - position == 1
            and (word.start in begins or _opens(phrase.text, word.start))
            and _everyday(phrase, position)
        ):
            position = end
            continue
        if end - position <= 5 and not (end < count and at[end] is not None and _one(phrase, end)):
            yield position, end
        position = end


def _one(phrase: Phrase, end: int) -> bool:
    """Whether the run is the front of an institution's name: Azov Brigade."""
    mention = phrase.at[end]
    return (
        mention is not None
        and mention.sense.body
        and phrase.words[end].upper
        and phrase.text[phrase.words[end - 1].end : phrase.words[end].start] == " "
    )


def _opens(text: str, start: int) -> bool:
    return start == 0 or text[start - 1] in "\"“‘'«(\n"


def _everyday(phrase: Phrase, position: int) -> bool:
    """A first word that is also written small in the article is no name."""
    word = phrase.words[position]
    return re.search(rf"(?<!\w){re.escape(word.text.lower())}(?!\w)", phrase.text) is not None


def _described(phrase: Phrase, first: int, end: int) -> tuple[Facts, bool]:
    """What titles before and an apposition after a name say; whether there is any."""
    words = phrase.words
    left = _leftmost(phrase, first)
    facts = Facts()
    titled = False
    if left < first:
        facts = read_phrase(phrase, left, end)
        titled = facts.person is not None and facts.role is not None
    elif first > 0 and phrase.gap(first).strip() == "," and phrase.at[first - 1] is not None:
        before = phrase.at[first - 1]
        if before is not None and before.sense.person:
            facts = read_phrase(phrase, _leftmost(phrase, first), first)
            start = _leftmost(phrase, before.first)
            facts = read_phrase(phrase, start, first)
            titled = True
    if first > 0 and words[first - 1].key in _TITLE_GENDERS:
        titled = True
    if end < len(words) and phrase.gap(end).strip() == "," and not words[end - 1].possessive:
        stop = end + 1
        while stop < len(words) and stop - end < 14:
            if set(phrase.gap(stop)) & set(",.;:()\"“”\n—–"):
                break
            stop += 1
        opening = words[end]
        known = phrase.at[end]
        if opening.key in _APPOSITION or (
            known is not None and (opening.possessive or known.sense.kind != "organisation")
        ):
            described = read_phrase(phrase, end, stop)
            is_role = described.role is not None and not described.person
            if is_role and (described.role.person if described.role else False):
                facts = merge(facts, described) if titled else described
                titled = True
    return (facts if titled else Facts()), titled


def _leftmost(phrase: Phrase, first: int) -> int:
    """Where the titles before words[first] begin."""
    position = first
    while position > 0:
        gap = phrase.text[phrase.words[position - 1].end : phrase.words[position].start]
        if gap.strip(" \u00a0'’sS.") or "\n" in gap:
            break
        previous = phrase.words[position - 1]
        if phrase.at[position - 1] is None and not (
            previous.key in _MODIFIERS or ("-" in previous.key and not previous.possessive)
        ):
            if not (previous.upper and previous.possessive and previous.key not in NO_NAME):
                break
        if "." in gap and phrase.at[position - 1] is not None and len(previous.text) > 5:
            break
        position -= 1
    return position


def _speaks(phrase: Phrase, first: int, end: int) -> bool:
    words = phrase.words
    after = words[end].key if end < len(words) and phrase.gap(end).strip() == "" else ""
    before = words[first - 1].key if first and phrase.gap(first).strip() == "" else ""
    return after in SPEECH or before in SPEECH


def _appositive(occurrences: list[_Occurrence], end: int, text: str) -> Person | None:
    """The person named right after "the foreign minister," """
    for one in occurrences:
        if 0 <= one.start - end <= 2 and text[end : one.start].strip() == ",":
            return one.person
    return None


SPEECH = words_of(
    "said says told added stated wrote writes tweeted announced declared insisted argued claimed",
    "warned explained noted confirmed admitted acknowledged continued replied responded remarked",
    "commented suggested recalled concluded posted vowed alleged asserted observed testified",
    "reported tells urged stressed emphasised emphasized complained joked asked demanded",
)
_GENDERS = {"he": "m", "him": "m", "his": "m", "himself": "m"} | {
    "she": "f", "her": "f", "hers": "f", "herself": "f"
}  # fmt: skip
_TITLE_GENDERS = {"mr": "m", "sir": "m", "lord": "m", "herr": "m", "señor": "m", "king": "m"} | {
    "mrs": "f", "ms": "f", "miss": "f", "dame": "f", "lady": "f", "baroness": "f", "queen": "f"
}  # fmt: skip
_ROLE_GENDERS = dict.fromkeys(
    "man boy father son brother husband king prince emperor spokesman chairman congressman policeman "
    "businessman grandfather uncle nephew boyfriend priest sultan crown-prince pope monk gunman".split(),
    "m",
) | dict.fromkeys(
    "woman girl mother daughter sister wife widow queen princess spokeswoman chairwoman actress "
    "congresswoman policewoman businesswoman grandmother aunt niece girlfriend nun schoolgirl".split(),
    "f",
)
_MODIFIERS = words_of(
    "former then acting deputy new senior late outgoing incoming interim current ex vice first chief",
    "assistant mr mrs ms miss sir dame lord lady longtime veteran retired influential top rebel 's",
    "exiled jailed ousted prominent right-wing far-right left-wing young fellow its their his her our",
)
_APPOSITION = words_of("the a an who's then former his her its one deputy acting now chief head") | {
    "head", "leader", "director", "president", "spokesman", "spokeswoman"
}  # fmt: skip
_DETERMINERS = words_of("the a an another one this that his her their its")
_JOINTS = words_of("al el bin ibn ben van von de der den del da dos di du la le af ul abu al-")
_FAMILY_FIRST = words_of(
    "xi li wang hu wen jiang zhang liu zhao zhou chen yang kim park moon lee yoon roh ban mao deng",
    "nguyen tran pham le hun ma sun zhu he geng hua lu qin guo cho choi jang jung kang ho tsai lai",
)
