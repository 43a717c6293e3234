"""What a noun phrase says by itself about the actor it names: country, sector, name.

No article is needed here; `actors` completes the facts with what the article says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from eventwire.models.lexicon import Mention, Sense, Word, adjective, country_name, mentions


@dataclass(slots=True)
class Facts:
    """What a phrase says; None where it says nothing."""

    name: str | None = None
    country: str | None = None
    sector: str | None = None
    how: str | None = None
    """`exact`, `demonym`, `metonym` or `place` (how the country was told), or `role`."""
    person: str | None = None
    """A person's name as the phrase has it, without titles."""
    owner: str | None = None
    """A name in front of the role, perhaps a person's: "Assad" of "Assad regime"."""
    role: Sense | None = None
    """The head: the role that says what the actor is."""
    organisation: Sense | None = None
    ambiguous: str | None = None
    """A word that names several countries, where no other word tells the country."""
    metonym: bool = False
    """The phrase is a seat of government and nothing else."""
    foreign: bool = False
    """The country in the phrase's surroundings is not the actor's."""
    former: bool = False
    definite: bool = False
    """Begins with the, this or that."""
    pronoun: str | None = None
    """A possessive pronoun in front: "its army"."""
    people: bool = False
    """The country's people and nobody more precise: "Israelis"."""
    bare: bool = False
    """Role words alone: no name, no country."""


class Part(NamedTuple):
    """A stretch of words with the known phrases in it; mentions count words from `first`."""

    first: int
    end: int


@dataclass(slots=True)
class Phrase:
    """Words of a span with their known phrases."""

    text: str
    words: Sequence[Word]
    lower_case: bool
    mentions: list[Mention] = field(default_factory=list)
    at: list[Mention | None] = field(default_factory=list)
    """The mention that covers each word."""

    def __post_init__(self) -> None:
        self.mentions = mentions(self.text, self.words, lower_case=self.lower_case)
        self.at = [None] * len(self.words)
        for mention in self.mentions:
            for position in range(mention.first, mention.end):
                self.at[position] = mention
        for mention in self.mentions:
            if self._is_personal_name(mention):
                self._forget(mention)

    def _forget(self, mention: Mention) -> None:
        for position in range(mention.first, mention.end):
            self.at[position] = None

    def _is_personal_name(self, mention: Mention) -> bool:
        """Jordan, Chad, Israel, King or Bishop as part of somebody's name."""
        if mention.end - mention.first > 1 or self.lower_case:
            return False
        word = self.words[mention.first]
        before = self.is_name(mention.first - 1)
        after = self.is_name(mention.end) and not word.possessive
        if word.key in _GIVEN_NAMES and after:
            return not any(m.sense.body for m in self.mentions if m.first > mention.end)
        if not (before and word.upper) or self.words[mention.first - 1].key in _DIRECTIONS:
            return False
        if self.words[mention.first - 1].possessive:
            return False
        if mention.sense.kind in ("country", "seat", "people", "place", "ambiguous"):
            last = mention.end == len(self.words) or not self.words[mention.end].upper
            return word.key in _SURNAMES and last and not self._role_at(mention.end)
        return mention.sense.kind == "role" and word.key in _SURNAMES

    def is_name(self, position: int) -> bool:
        if not 0 <= position < len(self.words) or self.at[position] is not None:
            return False
        word = self.words[position]
        if not word.upper:
            return False
        if word.key in NO_NAME:
            return word.key in _NAMES_TOO and self.is_name(position - 1)
        return "-" not in word.key or not is_compound(word.key)

    def _role_at(self, position: int) -> bool:
        mention = self.at[position] if position < len(self.words) else None
        return mention is not None and mention.sense.kind == "role"

    def gap(self, position: int) -> str:
        """What stands between words[position - 1] and words[position]."""
        return self.text[self.words[position - 1].end : self.words[position].start]


def read_phrase(phrase: Phrase, first: int = 0, end: int | None = None) -> Facts:
    """The facts of words[first:end], read as one noun phrase."""
    end = len(phrase.words) if end is None else end
    facts = Facts()
    first = _leading(phrase, first, end, facts)
    cut = _core_end(phrase, first, end)
    _read_core(phrase, first, cut, facts)
    if cut < end:
        _read_complement(phrase, cut, end, facts)
    if facts.former and facts.sector in ("GOV", "MIL", "LEG", "COP", "JUD", "SPY", "REB", "OPP"):
        facts.sector = "CVL"
    return facts


def _leading(phrase: Phrase, first: int, end: int, facts: Facts) -> int:
    """Past articles, possessive pronouns and quantities; notes what they say."""
    while first < end:
        word = phrase.words[first]
        if phrase.at[first] is not None:
            break
        if word.key in ("the", "this", "that", "these", "those"):
            facts.definite = True
        elif word.key in POSSESSIVES:
            facts.pronoun = word.key
        elif word.key not in _ARTICLES:
            break
        first += 1
    return first


def _core_end(phrase: Phrase, first: int, end: int) -> int:
    for position in range(first + 1, end):
        if phrase.at[position] is None:
            key = phrase.words[position].key
            if key in _POSTMODIFIERS and not (key == "of" and _in_title(phrase, position)):
                return position
        if "(" in phrase.gap(position) and phrase.at[position] is not phrase.at[position - 1]:
            return position
    return end


def _in_title(phrase: Phrase, position: int) -> bool:
    """Whether the "of" stands in a name: House of Freedom, Union of Teachers."""
    words = phrase.words
    known = phrase.at[position - 1]
    return (
        known is None
        and words[position - 1].upper
        and position + 1 < len(words)
        and words[position + 1].upper
        and phrase.at[position + 1] is None
    )


def _read_core(phrase: Phrase, first: int, end: int, facts: Facts) -> None:
    known: list[Mention] = []
    for mention in phrase.mentions:
        if first <= mention.first < end and phrase.at[mention.first] is mention:
            known.append(mention)
    roles = [m for m in known if m.sense.kind == "role" and not _is_adjective(phrase, m, end)]
    owned = _last_possessor(phrase, first, end)
    head = next((m for m in reversed(roles) if not _before_name_only(phrase, m, end)), None)
    facts.role = head.sense if head else None
    facts.former = any(
        phrase.at[i] is None and phrase.words[i].key in _FORMER for i in range(first, end)
    )
    _read_names(phrase, first, end, known, head, facts)
    _read_countries(phrase, first, end, known, owned, head, facts)
    _read_sector(phrase, first, end, known, roles, owned, facts)
    facts.bare = not (facts.name or facts.person or facts.owner or facts.country) and bool(roles)


def _is_adjective(phrase: Phrase, mention: Mention, end: int) -> bool:
    """A role word that only colours the noun after it: "general strike", "state visit"."""
    return (
        phrase.words[mention.first].key in _ADJECTIVES
        and mention.end < end
        and phrase.at[mention.end] is None
        and not phrase.words[mention.end].upper
    )


def _before_name_only(phrase: Phrase, mention: Mention, end: int) -> bool:
    """Honorifics such as Dr and Major say little where another role is there."""
    return (
        phrase.words[mention.first].key in ("dr", "major", "sheikh", "prince", "rev", "prof")
        and mention.end < end
        and any(
            m is not mention and m.sense.kind == "role" and m.first < mention.first
            for m in phrase.mentions
        )
    )


def _last_possessor(phrase: Phrase, first: int, end: int) -> int:
    """Where what is possessed begins: after the last "'s" that more words follow."""
    for position in range(end - 2, first - 1, -1):
        if phrase.words[position].possessive:
            return position + 1
    return first


def _read_names(
    phrase: Phrase, first: int, end: int, known: list[Mention], head: Mention | None, facts: Facts
) -> None:
    """The last run of unknown names: the person after the title, or somebody before the role."""
    run = _last_run(phrase, first, end)
    if run is None:
        return
    words = phrase.words
    text = phrase.text[words[run.first].start : words[run.end - 1].end]
    after = [m for m in known if m.first >= run.end and m.sense.kind in ("role", "organisation")]
    if not after and run.end < end and any(phrase.at[i] is None for i in range(run.end, end)):
        facts.owner = text  # "Sybiha statement": an unknown noun is the head
    elif not after:
        facts.person = text
    elif (
        after[-1].sense.body
        and all(words[i].upper or words[i].key in _SMALL for i in range(run.first, end))
        and not words[run.end - 1].possessive
    ):
        name_first = first
        while words[name_first].possessive or words[name_first].key in _ARTICLES:
            name_first += 1
        facts.name = phrase.text[words[name_first].start : words[end - 1].end]
        facts.owner = text
    else:
        facts.owner = text
    if head is not None and facts.person and head.first >= run.end:
        facts.owner, facts.person = facts.person, None


def _last_run(phrase: Phrase, first: int, end: int) -> Part | None:
    """The last run of unknown capitalised words, with the particles between them."""
    position = end - 1
    while position >= first and not phrase.is_name(position):
        position -= 1
    if position < first:
        return _lower_case_run(phrase, first, end) if phrase.lower_case else None
    last = position + 1
    while position > first:
        previous = position - 1
        if "," in phrase.gap(position) or phrase.words[previous].possessive:
            break
        if phrase.is_name(previous):
            position = previous
        elif (
            phrase.words[previous].key in _PARTICLES
            and previous > first
            and phrase.is_name(previous - 1)
        ):
            position = previous - 1
        elif phrase.words[previous].key in _PARTICLES and phrase.at[previous] is None:
            position = previous
        else:
            break
    return Part(position, last)


def _lower_case_run(phrase: Phrase, first: int, end: int) -> Part | None:
    """In a text without capitals: up to three words after a title."""
    title = phrase.at[first]
    for position in range(first, end):
        if (mention := phrase.at[position]) is not None:
            title = mention
        elif title is not None and title.sense.person and not title.sense.weak:
            return Part(position, end) if end - position <= 3 else None
        else:
            return None
    return None


def _read_countries(
    phrase: Phrase,
    first: int,
    end: int,
    known: list[Mention],
    owned: int,
    head: Mention | None,
    facts: Facts,
) -> None:
    """Who is possessed tells the country before who possesses; at the same level, the first."""
    choice: tuple[Mention | None, Sense | None] = (None, None)
    telling = [m for m in known if m.sense.kind not in ("role", "organisation")]
    for mention in [m for m in telling if m.first >= owned] or telling:
        choice = mention, mention.sense
        break
    if choice[1] is None or choice[0] is None:
        _read_hyphenated(phrase, first, end, facts)
        return
    mention, sense = choice
    apart = facts.role is not None and facts.role.apart
    possessed = mention.first < owned
    if apart and head is not None and head.first >= mention.end:
        outside = possessed or sense.kind in ("seat", "country") or head.sense.key in _OPPOSED
        if outside and head.sense.key not in ("counterpart", "counterparts"):
            facts.foreign = True
            return
    if sense.kind == "ambiguous":
        facts.ambiguous = sense.key
    else:
        facts.country = sense.country
    whole = all(
        mention.first <= i < mention.end or phrase.words[i].key in _DIRECTIONS
        for i in range(first, end)
    )
    facts.how = {"people": "demonym", "place": "place"}.get(sense.kind, "exact")
    if sense.kind == "ambiguous":
        facts.how = "demonym" if sense.key.endswith(("n", "ns", "ese")) else "exact"
    if sense.kind == "seat":
        # "Moscow" speaks for a government, "Moscow police" stands in Moscow.
        facts.metonym = whole and not (facts.role or facts.person)
        facts.how = "metonym"
    if whole and sense.kind in ("country", "seat") and sense.country:
        facts.name = country_name(sense.country)
        facts.sector = "GOV"
    elif whole and sense.kind == "ambiguous" and sense.key in ("georgia", "congo", "korea"):
        facts.sector = "GOV"
    if sense.kind == "people" or (sense.kind == "ambiguous" and facts.how == "demonym"):
        facts.people = facts.role is None and not facts.person and mention.end == end


def _read_hyphenated(phrase: Phrase, first: int, end: int, facts: Facts) -> None:
    """ "US-led coalition", "London-based group"; not "Israeli-occupied", "Iran-backed"."""
    for position in range(first, end):
        stem, hyphen, tail = phrase.words[position].key.rpartition("-")
        if not hyphen or phrase.at[position] is not None or tail not in ("led", "based", "run"):
            continue
        word = phrase.words[position]
        part = Phrase(
            phrase.text,
            [Word(word.start, word.start + len(stem), word.text[: len(stem)], stem, False, True)],
            phrase.lower_case,
        )
        for mention in part.mentions:
            if mention.sense.kind == "organisation":
                facts.organisation = mention.sense
                facts.country, facts.how = mention.sense.country, "exact"
            elif mention.sense.kind != "role":
                facts.country = mention.sense.country
                facts.how = "exact" if mention.sense.kind == "country" else "demonym"


def _read_sector(
    phrase: Phrase,
    first: int,
    end: int,
    known: list[Mention],
    roles: list[Mention],
    owned: int,
    facts: Facts,
) -> None:
    organisation = next(
        (m for m in reversed(known) if m.sense.kind == "organisation" and m.first >= owned),
        next((m for m in reversed(known) if m.sense.kind == "organisation"), None),
    )
    strong = [m for m in roles if not m.sense.weak]
    head = facts.role
    if organisation is not None:
        _read_organisation(phrase, organisation, first, end, facts)
        if facts.sector or facts.foreign:
            return
    if head is None:
        if facts.people and facts.sector is None and _is_civilian(phrase, first, end):
            facts.sector = "CVL"
    elif not head.weak:
        facts.sector = head.sector
        colour = [m.sense.sector for m in strong if m.sense.sector in _COLOURS]
        if head.sector == "CVL" and colour and not head.apart:
            facts.sector = colour[-1]
        if head.sector in ("CVL", "SOC") and any(
            phrase.words[i].key in _AGAINST_GOVERNMENT for i in range(first, end)
        ):
            facts.sector = "OPP"
        if head.sector == "PRM" and any(
            phrase.words[i].key in _AGAINST_GOVERNMENT for i in range(first, end)
        ):
            facts.sector = "REB"
    elif strong:
        facts.sector = strong[-1].sense.sector
    elif facts.country and not facts.foreign and head.key not in _NOT_OFFICIAL:
        facts.sector = "GOV"
    if facts.sector and facts.how is None:
        facts.how = "role"
    label = head.name if head else None
    if (
        label
        and facts.country
        and not facts.name
        and not facts.person
        and not facts.owner
        and facts.how in ("exact", "demonym", "metonym")
        and len(roles) == 1
        and _is_plain(phrase, first, end)
    ):
        facts.name = f"{adjective(facts.country)} {label}"


def _read_organisation(
    phrase: Phrase, mention: Mention, first: int, end: int, facts: Facts
) -> None:
    sense, head = mention.sense, facts.role
    if head is not None and head.apart and mention.first < end - 1:
        facts.foreign = True
        facts.country, facts.how = None, "role" if head.sector else None
        facts.sector = head.sector
        return
    national = facts.country is not None and facts.how in ("demonym", "exact")
    if national and sense.sector == "IGO" and head is not None:
        return  # "Ukraine's UN ambassador", "Rwandan UN peacekeepers": the country's
    facts.organisation = sense
    facts.sector = sense.sector
    if sense.country or not national:
        facts.country = sense.country
    facts.how = "exact"
    if head is None and not facts.person:
        facts.name = sense.name


def _is_civilian(phrase: Phrase, first: int, end: int) -> bool:
    """ "two Chinese", "many Israelis"; "the Russians" may be an army."""
    last = phrase.at[end - 1]
    plural = last is not None and last.sense.key == "plural people"
    counted = any(
        phrase.words[i].key in _COUNTS or phrase.words[i].key.replace(",", "").isdigit()
        for i in range(max(0, first - 2), end)
    )
    definite = first > 0 and phrase.words[first - 1].key == "the"
    return counted or (plural and not definite)


def _is_plain(phrase: Phrase, first: int, end: int) -> bool:
    """Nothing but known words: "Russian army", not "Russian army convoy"."""
    return all(phrase.at[i] is not None for i in range(first, end))


def _read_complement(phrase: Phrase, cut: int, end: int, facts: Facts) -> None:
    """What "of", "for", "from" and "in" add."""
    preposition = phrase.words[cut].key
    if phrase.at[cut] is not None or cut + 1 >= end:
        return
    head = facts.role
    inherits = head is None or head.weak or head.key in _LEADING
    if preposition not in ("of", "for", "from", "in", "at", "with", "to", "on", "within"):
        return
    stop = next(
        (i for i in range(cut + 1, end) if "," in phrase.gap(i) and i > cut + 1), end
    )
    inner = read_phrase(phrase, cut + 1, stop)
    if preposition in ("in", "at", "from", "within", "on"):
        away = head is not None and head.key in _AWAY
        if not facts.country and not away and not facts.foreign and facts.organisation is None:
            if inner.organisation is None or preposition == "from":
                facts.ambiguous = facts.ambiguous or inner.ambiguous
                if inner.country:
                    facts.country, facts.how = inner.country, _how_near(inner)
            if preposition == "from" and inner.organisation and (head is None or inherits):
                facts.sector = inner.sector
        return
    if preposition in ("with", "to") and not (head is not None and head.weak):
        return
    if head is not None and head.apart:
        facts.foreign = True
        return
    if inherits and not facts.person and not (facts.organisation and facts.name):
        taken = facts.country
        if inner.sector and not (head is not None and not head.weak and inner.sector == "GOV"):
            facts.sector = inner.sector
        if inner.organisation and not taken:
            facts.organisation, facts.how = inner.organisation, inner.how
        facts.owner = facts.owner or inner.owner or inner.person
        if head is None:
            facts.role, facts.name = inner.role, facts.name or inner.name
            facts.bare = inner.bare
            facts.people = inner.people
    elif inherits and facts.person and inner.sector and (head is None or head.weak):
        facts.sector = inner.sector
    if not facts.country and inner.country:
        facts.country, facts.how = inner.country, inner.how
    facts.ambiguous = facts.ambiguous or inner.ambiguous
    if facts.country and facts.sector is None and head is not None and inherits:
        facts.sector = "GOV" if head.key not in _NOT_OFFICIAL else None
    if facts.sector and facts.how is None:
        facts.how = inner.how or "role"


def _how_near(inner: Facts) -> str:
    return "place" if inner.how in ("metonym", "place") else (inner.how or "place")


def merge(first: Facts, second: Facts) -> Facts:
    """Two phrases for one actor, the second in apposition: each fills what the other lacks."""
    merged = replace(first)
    merged.person = first.person or second.person
    merged.country = first.country or second.country
    merged.organisation = first.organisation or second.organisation
    merged.ambiguous = first.ambiguous or second.ambiguous
    merged.role = first.role or second.role
    merged.owner = first.owner or second.owner
    merged.former = first.former or second.former
    merged.sector = first.sector or second.sector
    if first.country or not second.country:
        merged.how = first.how or second.how
    else:
        merged.how = second.how
    merged.name = first.name or (None if merged.person else second.name)
    merged.bare = False
    return merged


def words_of(*groups: str) -> frozenset[str]:
    return frozenset(" ".join(groups).split())


def is_compound(key: str) -> bool:
    """Adjectives with a hyphen: Israeli-occupied, pro-Russian."""
    head, _, tail = key.partition("-")
    return head in _PREFIXES or tail.rpartition("-")[2] in _TAILS


POSSESSIVES = words_of("his her its their our my your whose")
_ARTICLES = words_of("the a an some any this that these those", "his her its their our my your whose")
_SMALL = words_of("of for the and de la del du des den der al el und et & on to in")
_PARTICLES = words_of("al el bin ibn ben van von de der den del da dos di du la le af ul abu ould")
_POSTMODIFIERS = words_of(
    "of for from in at on with who which that near inside outside across against over under to by",
    "fighting accused linked loyal belonging backed led based wearing carrying riding including",
    "between around through during after before without within upon as where whose living working",
    "serving held killed trying attempting seeking claiming affiliated aligned allied opposed known",
    "described dressed wanted behind along among amongst than demanding calling aged protesting",
    "gathered suspected responsible critical claimed staying travelling captured detained arrested",
    "injured wounded charged convicted identified participating taking heading operating deployed",
    "stationed alongside and into off out onto up about calling named called supporting opposing",
)
_FORMER = words_of("former ex late ousted deposed retired disgraced onetime one-time then-former")
_DIRECTIONS = words_of(
    "greater central eastern western northern southern north south east west occupied nazi soviet",
    "imperial communist upper lower new rural inner mainland neighbouring neighboring",
    "all whole entire war-torn post-war modern northeast northwest southeast southwest",
)
_ADJECTIVES = words_of(
    "general major national public official executive minor daily state native private subject",
    "weekly press intelligence patient accused mine press individual liberal conservative",
    "communist socialist nationalist islamist catholic muslim christian jewish",
)
_COLOURS = frozenset({"OPP", "REL", "EDU", "LAB", "AGR", "REF", "MED", "HLH", "PTY", "NGO", "REB"})
_AGAINST_GOVERNMENT = words_of(
    "anti-government antigovernment pro-democracy dissident opposition anti-regime anti-junta",
    "anti-coup anti-kremlin anti-assad anti-monarchy rebel insurgent islamist separatist",
)
_LEADING = words_of(
    "president director secretary general commissioner speaker minister king officer captain",
    "speakers presidents editor justice judge chief ombudsman governor manager",
)
_AWAY = words_of(
    "embassy embassies ambassador ambassadors envoy envoys diplomat diplomats consulate consulates",
    "correspondent correspondents migrant migrants refugee refugees tourist tourists foreigner",
    "foreigners peacekeeper peacekeepers expatriate expatriates mission coalition base missionary",
) | {"special envoy", "chargé d'affaires", "charge d'affaires", "consul general"}
_OPPOSED = words_of(
    "critic critics opponent opponents rival rivals enemy enemies foe foes ally allies",
    "neighbour neighbours neighbor neighbors partner partners target targets",
)
_NOT_OFFICIAL = words_of("group groups site sites vehicle vehicles building buildings network cell")
_COUNTS = words_of(
    "one two three four five six seven eight nine ten eleven twelve dozen dozens hundred hundreds",
    "thousand thousands many several some few both other more most young ordinary 20 fellow",
)
_PREFIXES = words_of("pro anti non ex post pre mid self far co un-backed half vice then cross inter")
_TAILS = words_of(
    "occupied backed led held controlled run based born linked funded supported trained sponsored",
    "aligned allied ruled administered made speaking owned dominated style wide era majority brokered",
    "affiliated inspired flagged registered designated governed besieged area year old elect",
)
_NAMES_TOO = words_of("may april june august north west lord young sat jan")
_GIVEN_NAMES = words_of(
    "jordan chad georgia israel india kenya paris london sydney austin virginia carolina dakota",
    "cuba malta america asia ireland florence chelsea dallas houston lincoln washington denver",
    "christian german roman pope duke earl prince king major general judge marshal dean bishop",
    "angel jesus salman cali savannah kingston lima sofia adelaide victoria milan",
) - words_of("king prince general major judge pope bishop dean marshal london")
_SURNAMES = words_of(
    "jordan ireland england holland wales france german french english israel brazil spain london",
    "berlin washington lincoln paris scott romania welsh irish king prince bishop pope judge major",
    "dean priest baker farmer fisher shepherd constable sheriff miner abbot marshal cardinal",
    "guard pilot driver ranger read may monk nun christian poland chad kiev houston austin dallas",
    "cork montana tennessee delhi sudan kuwait rich power mayor child author page singer player",
    "coach cook mali banks england cuba bachelor trader minor lord ward archer hunter porter",
    "daily press mine white friend church house wolf bush hall cotton bank son temple boss chase",
    "lord chase knight west north",
)
NO_NAME = words_of(
    "the a an this that these those some any many several few most all both each every no other",
    "another such he she it they we i you his her its their our my your him them us me who whose",
    "and or but if when while after before although though because since until as than then so",
    "at by for from in into of off on onto out over to under up with without within about above",
    "against along among around between during near through throughout toward towards",
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june",
    "july august september october november december mon tue wed thu fri sat sun jan feb mar apr",
    "however meanwhile also only even still yet more less first second third last next earlier later",
    "today yesterday tomorrow according there here what why how where which one two three four five",
    "six seven eight nine ten hundreds thousands dozens mr mrs ms miss sir dame lord lady madam",
    "herr señor monsieur not is was were are be been has have had do does did will would can could",
    "should may might must said says say told added new old former ex acting then-president late",
    "despite amid its it's isn't instead yes no well now once again just former top senior chief",
    "north south east west northern southern eastern western central islamic arab western-backed",
    "kurdish kurd kurds arabs tamil western europe european europeans african africans asian asians",
    "africa asia middle east latin america gulf internet covid covid-19 brexit christmas ramadan",
    "easter god islam islamism christianity parliamentarians",
)
