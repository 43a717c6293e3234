"""A noun phrase's own words, without "of Ukraine" and the like: title, name, nation, role."""

from eventwire.models.enrich.grammar import (
    AGAINST_GOVERNMENT,
    COUNTS,
    DIRECTIONS,
    ELSEWHERE,
    FORMER,
    HONORIFICS,
    MINORITIES,
    NOT_OFFICIAL,
    OF_DESCENT,
    OPPOSED,
    PARTICLES,
    PRESIDING,
    SMALL,
    SPORTS,
)
from eventwire.models.enrich.lexicon import Mention, Sense, Word, adjective, country_name
from eventwire.models.enrich.phrases import Facts, Phrase, is_adjective, is_demonym

_ACTING = ("role", "organisation")
_OFFICES = frozenset({"GOV", "MIL", "LEG", "COP", "JUD", "SPY"})
# Sectors that modifiers give to civilians: "student protesters".
_COLOURS = frozenset({"OPP", "REL", "EDU", "LAB", "AGR", "REF", "MED", "HLH", "PTY", "NGO", "REB"})


class Core:
    """Reads words[first:end], a noun phrase without its complements, into facts."""

    def __init__(self, phrase: Phrase, first: int, end: int, facts: Facts) -> None:
        self.phrase, self.first, self.end, self.facts = phrase, first, end, facts
        at = phrase.at
        self.known = [m for i in range(first, end) if (m := at[i]) is not None and m.first == i]
        self.roles = [m for m in self.known if m.sense.kind == "role" and not self._colours(m)]
        self.head = next((m for m in reversed(self.roles) if not self._is_honorific(m)), None)
        self.owned = first
        """Where what is possessed begins: after the last "'s"."""
        for position in range(end - 2, first - 1, -1):
            if phrase.words[position].possessive:
                self.owned = position + 1
                break
        self.unknown = {phrase.words[i].key for i in range(first, end) if phrase.at[i] is None}

    def read(self) -> None:
        facts = self.facts
        facts.role = self.head.sense if self.head else None
        bodies = [m.sense.key for m in self.roles if m.sense.body and m is not self.head]
        facts.within = bodies[-1] if bodies else None
        facts.former = any(key in FORMER or key.startswith("ex-") for key in self.unknown)
        facts.foreign = not self.unknown.isdisjoint(ELSEWHERE)
        self._read_name()
        self._read_country()
        if "ethnic" in self.unknown:  # no citizens
            facts.country, facts.how = None, None
        if self._read_organisation():
            self._read_sector()
        if facts.sector and facts.how is None:
            facts.how = "role"
        self._name_institution()
        named = facts.name or facts.person or facts.owner or facts.country
        facts.bare = bool(self.roles) and not named
        facts.counted = any(
            key in COUNTS or key in ("every", "each", "any") or key[0].isdigit()
            for key in self.unknown
        )
        facts.headed = self.head is not None and self.head.end == self.end

    def _colours(self, mention: Mention) -> bool:
        return mention.end < self.end and is_adjective(self.phrase, mention)

    def _is_honorific(self, mention: Mention) -> bool:
        """Dr or Major after a role and before a name."""
        return (
            self.phrase.words[mention.first].key in HONORIFICS
            and mention.end < self.end
            and any(role.first < mention.first for role in self.roles)
        )

    def _read_name(self) -> None:
        """The last run of unknown names: the person after the title, or what is before the role."""
        run = self._last_run()
        if run is None:
            return
        first, end = run
        phrase, facts = self.phrase, self.facts
        name = phrase.quote(first, end)
        after = [m for m in self.known if m.first >= end and m.sense.kind in _ACTING]
        if not after and all(phrase.at[i] is not None for i in range(end, self.end)):
            facts.person = name
            return
        facts.owner = name
        if (
            after
            and after[-1].sense.body
            and not phrase.words[end - 1].possessive
            and all(
                phrase.words[i].upper or phrase.words[i].key in SMALL
                for i in range(first, self.end)
            )
        ):
            facts.name = phrase.quote(self._name_start(), self.end)

    def _name_start(self) -> int:
        """Where an institution's name begins: after possessors, "Kenya's"."""
        return self.owned if self.owned < self.end else self.first

    def _last_run(self) -> tuple[int, int] | None:
        """The last run of unknown capitalised words, with the particles between them."""
        phrase, first = self.phrase, self.first
        position = self.end - 1
        while position >= first and not phrase.is_name(position):
            position -= 1
        if position < first:
            return self._lower_case_run() if phrase.lower_case else None
        end = position + 1
        while position > first:
            before = position - 1
            if "," in phrase.gap(position) or phrase.words[before].possessive:
                break
            particle = phrase.words[before].key in PARTICLES and phrase.at[before] is None
            if not phrase.is_name(before) and not particle:
                break
            position = before
        return position, end

    def _lower_case_run(self) -> tuple[int, int] | None:
        """In a text without capitals: up to three words after a title."""
        title = self.known[-1] if self.known else None
        if title is None or not title.sense.person or title.sense.weak:
            return None
        return (title.end, self.end) if 0 < self.end - title.end <= 3 else None

    def _read_country(self) -> None:
        """What is possessed tells the country before who possesses; at one level, the first."""
        facts, head = self.facts, self.head
        telling = [m for m in self.known if m.sense.kind not in _ACTING]
        mention = next((m for m in telling if m.first >= self.owned), None)
        mention = mention or (telling[0] if telling else None)
        if mention is None:
            self._read_hyphenated()
            if head is not None and head.sense.country and not facts.country:
                facts.country, facts.how = head.sense.country, "exact"
            return
        mention = self._citizenship(mention)
        sense = mention.sense
        if head is not None and head.sense.apart and head.first >= mention.end:
            outside = mention.first < self.owned or sense.kind in ("seat", "country")
            if outside or head.sense.key in OPPOSED:
                facts.foreign = True
                return
        demonym = is_demonym(sense)
        facts.ambiguous = sense.key if sense.kind == "ambiguous" else None
        facts.country = sense.country
        kinds = {"place": "place", "seat": "metonym"}
        facts.how = "demonym" if demonym else kinds.get(sense.kind, "exact")
        if demonym:
            facts.people = not (facts.role or facts.person) and mention.end == self.end
        elif sense.kind in ("country", "seat", "ambiguous") and self._is_whole(mention):
            facts.sector = "GOV"
            facts.name = country_name(sense.country) if sense.country else None

    def _citizenship(self, mention: Mention) -> Mention:
        """The last of demonyms in a row, "Indian American": those before it tell descent."""
        while is_demonym(mention.sense) and mention.end < self.end:
            after = self.phrase.at[mention.end]
            if after is None or not is_demonym(after.sense) or self.phrase.gap(mention.end) != " ":
                break
            if self.phrase.words[mention.end].key in MINORITIES:
                break
            mention = after
        return mention

    def _is_whole(self, mention: Mention) -> bool:
        return all(
            mention.first <= i < mention.end or self.phrase.words[i].key in DIRECTIONS
            for i in range(self.first, self.end)
        )

    def _read_hyphenated(self) -> None:
        """ "US-led coalition", "London-based group"; not "Israeli-occupied", "Iran-backed"."""
        for position in range(self.first, self.end):
            word = self.phrase.words[position]
            stem, _, tail = word.key.rpartition("-")
            if tail in OF_DESCENT and self._is_someone(position):
                self._read_descent(word, len(stem))
                return
            if not stem or tail not in ("led", "based", "run"):
                continue
            cut = word._replace(end=word.start + len(stem), text=word.text[: len(stem)], key=stem)
            for mention in self.phrase.find([cut]):
                sense, facts = mention.sense, self.facts
                if sense.kind == "organisation":
                    facts.organisation, facts.country, facts.how = sense, sense.country, "exact"
                elif sense.kind != "role":
                    facts.country = sense.country
                    facts.how = "exact" if sense.kind == "country" else "demonym"

    def _is_someone(self, position: int) -> bool:
        """Whether it is of persons: not "Mexican-American War" nor two states' officials."""
        if self.head is None:
            return position + 1 == self.end or " " in (self.facts.person or "")
        sense = self.head.sense
        return sense.person or not (sense.body or sense.sector in ("GOV", "MIL"))

    def _read_descent(self, word: Word, stem: int) -> None:
        """ "Indian-American": the last is the country; "Latin-American" has none."""
        phrase = self.phrase
        one, last = (
            word._replace(start=start, end=end, text=text, key=text.lower())
            for start, end in ((word.start, word.start + stem), (word.start + stem + 1, word.end))
            for text in (phrase.text[start:end],)
        )
        first = phrase.find([one])
        if one.key not in ELSEWHERE and not (first and is_demonym(first[0].sense)):
            return
        for mention in phrase.find([last]):
            self.facts.country, self.facts.how = mention.sense.country, "demonym"

    def _read_organisation(self) -> bool:
        """Whether the sector is still to be read from the roles."""
        facts, head = self.facts, self.head
        named = [m for m in self.known if m.sense.kind == "organisation"]
        if not named:
            return True
        mention = next((m for m in reversed(named) if m.first >= self.owned), named[-1])
        sense = mention.sense
        if head is not None and head.sense.apart and mention.end < self.end:
            facts.foreign = True  # "Kremlin critic", "Taliban victims"
            facts.country, facts.how, facts.sector = None, None, head.sense.sector
            return False
        national = facts.country is not None and facts.how in ("demonym", "exact")
        if national and sense.sector == "IGO" and head is not None:
            return True  # "Ukraine's UN ambassador", "Rwandan UN peacekeepers": the country's
        facts.organisation, facts.sector, facts.how = sense, sense.sector, "exact"
        if sense.history and head is not None and head.sense.sector in _OFFICES:
            facts.sector = head.sense.sector  # "Republican senator"
        elif sense.history and any(role.sense.sector == "PTY" for role in self.roles):
            facts.sector = "PTY" if sense.sector == "GOV" else sense.sector  # of a campaign
        if sense.country or not national:
            facts.country = sense.country
        title = head is not None and (head.first > mention.first or head.sense.person)
        if not facts.person and not title:
            facts.name = sense.name
        return False

    def _read_sector(self) -> None:
        facts = self.facts
        head = facts.role
        strong = [m for m in self.roles if not m.sense.weak]
        if head is None:
            unknown_head = self.phrase.at[self.end - 1] is None if self.end > self.first else False
            named = facts.person or facts.owner
            if facts.people and self._is_civilian():
                facts.sector = "CVL"
            elif unknown_head and self.owned > self.first and facts.country and not named:
                facts.sector = "GOV"  # "Russia's use of force": a state's doing
        elif not head.weak:
            facts.sector = self._coloured(head, strong)
        elif strong:
            facts.sector = strong[-1].sense.sector
        elif facts.country and not (facts.foreign or facts.name or head.key in NOT_OFFICIAL):
            facts.sector = "GOV"  # "Chinese leader"; no institution with a name of its own

    def _coloured(self, head: Sense, strong: list[Mention]) -> str | None:
        """The head's sector, unless it is a general one and a modifier says more."""
        against = any(
            self.phrase.words[i].key in AGAINST_GOVERNMENT for i in range(self.first, self.end)
        )
        if against and head.sector in ("CVL", "SOC"):
            return "OPP"
        if against and head.sector == "PRM":
            return "REB"
        if head.key in PRESIDING:
            return self._presided(strong)
        colours = [
            m.sense.sector for m in strong if m.first >= self.owned and m.sense.sector in _COLOURS
        ]
        return colours[-1] if colours and head.sector == "CVL" and not head.apart else head.sector

    def _presided(self, strong: list[Mention]) -> str | None:
        """Of a president, official or officer: what they are of, if it is no government."""
        head = self.head
        if head is None or not self.unknown.isdisjoint(SPORTS):
            return "SOC"
        bodies = [m.sense.sector for m in strong if m.sense.body and m.end <= head.first]
        if bodies and bodies[-1] != "CVL":
            return bodies[-1]
        unknown = self.facts.owner and not self.facts.country
        return None if unknown and head.sense.key.endswith("president") else head.sense.sector

    def _is_civilian(self) -> bool:
        """ "two Chinese", "many Israelis"; "the Russians" may be an army."""
        begin = self.first
        while begin > max(0, self.first - 2) and self.phrase.gap(begin) == " ":
            begin -= 1
        words = self.phrase.words[begin : self.end]
        if any(w.key in COUNTS or w.key.replace(",", "").isdigit() for w in words):
            return True
        last = self.phrase.at[self.end - 1]
        definite = self.first > 0 and self.phrase.words[self.first - 1].key == "the"
        return last is not None and last.sense.key == "plural people" and not definite

    def _name_institution(self) -> None:
        """ "Russian army" is the Russian armed forces; "Russian army convoy" has no name."""
        facts = self.facts
        named = facts.name or facts.person or facts.owner or facts.organisation
        plain = all(self.phrase.at[i] is not None for i in range(self.first, self.end))
        if not plain or named or len(self.roles) != 1 or facts.how == "place":
            return
        if facts.role and facts.role.name and facts.country:
            facts.name = f"{adjective(facts.country)} {facts.role.name}"
