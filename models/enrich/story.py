"""What an article says as a whole: its words and known phrases, its people, its countries."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Protocol

from eventwire.models.enrich.grammar import SURNAMES
from eventwire.models.enrich.introductions import leftmost
from eventwire.models.enrich.leaders import Person, leader, name_keys
from eventwire.models.enrich.lexicon import Mention, Sense, Word, read
from eventwire.models.enrich.noun_phrases import read_phrase
from eventwire.models.enrich.people import People
from eventwire.models.enrich.phrases import Phrase
from eventwire.models.enrich.times import parse_published


class SentenceLike(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Story:
    """One article; what is read of it, is read once."""

    def __init__(
        self, text: str, sentences: Sequence[SentenceLike], published_at: str | None = None
    ) -> None:
        self.text = text
        self.sentences = sentences
        published = parse_published(published_at) if published_at else None
        self.day = published.isoformat()[:10] if published else None
        """Of publication, ISO date."""
        self._by_role: dict[str, dict[str | None, int]] = {}

    @cached_property
    def words(self) -> list[Word]:
        return read(self.text)

    @cached_property
    def phrase(self) -> Phrase:
        """All words of the article."""
        return Phrase(self.text, self.words, self.lower_case, day=self.day)

    @property
    def mentions(self) -> list[Mention]:
        return self.phrase.mentions

    @cached_property
    def lower_case(self) -> bool:
        return self.text.islower()

    @cached_property
    def people(self) -> People:
        return People(self)

    def between(self, start: int, end: int) -> list[Word]:
        """The words of text[start:end]; words that cross its borders are cut there."""
        first = bisect_left(self.starts, start)
        last = bisect_left(self.starts, end, first)
        crossed = first > 0 and self.words[first - 1].end > start
        if crossed or (last > first and self.words[last - 1].end > end):
            return read(self.text, start, end)
        return self.words[first:last]

    def sentence_of(self, position: int) -> int:
        """Index of the sentence that holds a position, or of the last one before it."""
        return max(0, bisect_right(self._sentence_starts, position) - 1)

    @cached_property
    def starts(self) -> list[int]:
        return [word.start for word in self.words]

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [sentence.start for sentence in self.sentences]

    @cached_property
    def _mention_starts(self) -> list[int]:
        return [self.words[mention.first].start for mention in self.mentions]

    # ----------------------------------------------------------------------------- countries

    @cached_property
    def country(self) -> str | None:
        """The country that the article is about: named three times, and thrice as often as any."""
        return self._named_most(3)

    @cached_property
    def likely(self) -> str | None:
        """The one that it is mostly about: named three times, and twice as often as any."""
        return self._named_most(2)

    @cached_property
    def foremost(self) -> str | None:
        """The country that the article names most often; None where two are level."""
        (first, most), (_, second) = [*self.countries.most_common(2), (None, 0), (None, 0)][:2]
        return first if most > second else None

    def _named_most(self, times: int) -> str | None:
        (first, most), (_, second) = [*self.countries.most_common(2), (None, 0), (None, 0)][:2]
        return first if most >= 3 and most >= times * second else None

    @cached_property
    def countries(self) -> Counter[str]:
        return Counter(m.sense.country for m in self.mentions if m.sense.country and self._tells(m))

    def speaks_of(self, country: str | None) -> bool:
        """Whether the article names a country more than by the way."""
        most = max(self.countries.values(), default=0)
        return country is not None and 5 * self.countries[country] >= max(most, 1)

    def _tells(self, mention: Mention) -> bool:
        """Whether a mention tells what the article is about; "Nigerian prince" in marks does not,
        nor does who reports."""
        sense = mention.sense
        if sense.generic or sense.sector == "MED" or self.is_surname(self.words, mention):
            return False
        quotation = self.people.quotation_at(self.words[mention.first].start)
        return quotation is None or len(self.between(*quotation[:2])) > 3

    def is_surname(self, words: Sequence[Word], mention: Mention) -> bool:
        """Whether a place is called as somebody in the article: Kingston after Sean Kingston.

        Not a capital that stands for a government, which is named so oftener than a person is.
        """
        key = words[mention.first].key
        return mention.sense.kind == "place" and key in SURNAMES and self.people.has_surname((key,))

    def named(self, start: int, end: int, *, places: bool = False) -> set[str]:
        """Countries that text[start:end] names; by a place in them too, if asked."""
        first = bisect_left(self._mention_starts, start)
        between = self.mentions[first : bisect_left(self._mention_starts, end, first)]
        return {
            m.sense.country
            for m in between
            if m.sense.country and (places or m.sense.kind != "place")
        }

    def named_here(self, position: int, *, places: bool = False) -> set[str]:
        """Countries that the sentence names."""
        if not self.sentences:
            return set()
        sentence = self.sentences[self.sentence_of(position)]
        return self.named(sentence.start, sentence.end, places=places)

    @cached_property
    def organisations(self) -> dict[Sense, int]:
        """The organisations that the article names, and where it does so first."""
        found: dict[Sense, int] = {}
        for mention in self.mentions:
            if mention.sense.kind == "organisation":
                found.setdefault(mention.sense, self.words[mention.first].start)
        return found

    # ------------------------------------------------------------------------- people and roles

    def introduced(
        self, name: str, known: Person | None, *, titled: bool = False, country: str | None = None
    ) -> Person | None:
        """Who bears a name: as the article says, or the leader whom it need not introduce."""
        if known is not None:
            if known.country or known.sector not in _OF_LEADERS:
                return known
            titled = titled or known.sector in ("GOV", "LEG")
            name = known.name or name
        elif self.people.has_surname(name_keys(name)[-1:]):
            return None  # several are called so
        listed = leader(name, self.day, titled=titled)
        if listed is None or country not in (None, listed.country):
            return known
        sector = known.sector if known and listed.sector != "GOV" else None
        return replace(listed, sector=sector or listed.sector)

    def countries_of(self, role: str) -> dict[str | None, int]:
        """The countries whose "officials" the article names, and where it does so first; None
        where it cannot be told."""
        if role not in self._by_role:
            found = self._by_role[role] = {}
            for mention in self.mentions:
                if mention.sense.kind == "role" and mention.sense.key == role:
                    begin = self.begin_of(mention.first)
                    facts = read_phrase(self.phrase, begin, self._stop(mention))
                    country = facts.country or self._of_leader(facts.owner)
                    several = country is not None and self.is_second(begin)
                    if not facts.foreign and (country or facts.ambiguous):
                        found.setdefault(None if several else country, self.words[begin].start)
        return self._by_role[role]

    def _of_leader(self, owner: str | None) -> str | None:
        """Country of "Obama administration"."""
        person = self.introduced(owner, self.people.find(owner)) if owner else None
        return person.country if person else None

    def begin_of(self, role: int) -> int:
        """Where the phrase of a role begins; "Obama administration" with its owner."""
        phrase, begin = self.phrase, leftmost(self.phrase, role)
        known = phrase.at[begin]
        if known is not None and known.sense.body:
            while begin and phrase.is_name(begin - 1) and phrase.gap(begin) == " ":
                begin -= 1
        return begin

    def _stop(self, mention: Mention) -> int:
        """Where a role's phrase ends, "of Ukraine" after it included."""
        phrase, words, stop = self.phrase, self.words, mention.end
        if stop < len(words) and words[stop].key in ("of", "from", "in") and not phrase.at[stop]:
            stop += 1
            while stop < min(len(words), mention.end + 4) and phrase.gap(stop) == " ":
                stop += 1
        return stop

    def is_second(self, begin: int) -> bool:
        """Whether a phrase is the second of "Turkish and Syrian officials"."""
        known = self.phrase.at[begin - 2] if begin > 1 else None
        joined = known is not None and self.words[begin - 1].key in ("and", "or")
        return joined and known is not None and known.sense.country is not None


# Sectors of those who may be the leader of that name, and no namesake.
_OF_LEADERS = (None, "GOV", "MIL", "LEG", "OPP", "PTY", "CVL")
