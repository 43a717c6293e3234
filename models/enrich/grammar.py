"""Small closed sets of English words that the reading of actors needs, in lower case."""


def words_of(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


PRONOUNS = words_of(
    "he she him her himself herself i me who it they them we us you itself themselves",
)

POSSESSIVES = words_of(
    "his her its their our my your whose",
)

# What may open a noun phrase and says nothing of the actor.
ARTICLES = words_of(
    "the a an some any this that these those his her its their our my your whose",
)

# What comes before one person who is described: "a Russian soldier".
DETERMINERS = words_of(
    "the a an another one this that his her their its",
)

# What ends the core of a noun phrase: prepositions and relatives.
PREPOSITIONS = words_of(
    "of for from in at on with who which that near inside outside across against over under to",
    "by between around through during after before without within upon as where whose along",
    "among amongst behind alongside into off out onto up about including alias aka",
)

# What ends it, unless nothing has been named yet: "captured soldiers".
PARTICIPLES = words_of(
    "fighting accused linked loyal belonging backed led based wearing carrying riding living",
    "working serving held killed trying attempting seeking claiming affiliated aligned allied",
    "opposed known described dressed wanted demanding calling aged protesting gathered",
    "suspected responsible critical claimed staying travelling captured detained arrested",
    "injured wounded charged convicted identified participating taking heading operating",
    "deployed stationed named called supporting opposing nicknamed",
)

# Small words inside the names of institutions.
SMALL = words_of(
    "of for the and de la del du des den der al el und et & on to in",
)

# Small words inside the names of people.
PARTICLES = words_of(
    "al el bin ibn ben van von de der den del da dos di du la le af ul abu ould",
)

FORMER = words_of(
    "former ex late ousted deposed retired disgraced onetime one-time then-former",
)

# What may stand before a country's name without changing it.
DIRECTIONS = words_of(
    "greater central eastern western northern southern north south east west occupied nazi",
    "soviet imperial communist upper lower new rural inner mainland neighbouring neighboring",
    "all whole entire war-torn post-war modern northeast northwest southeast southwest",
)

# Peoples of several countries, and words for strangers: the article's country is not theirs.
ELSEWHERE = words_of(
    "kurdish arab western european african asian tamil foreign international global",
    "multinational overseas regional ethnic neighbouring neighboring allied alien islamic",
    "jewish hispanic latino",
)

# What makes activists an opposition and a militia a rebel group.
AGAINST_GOVERNMENT = words_of(
    "anti-government antigovernment pro-democracy dissident opposition anti-regime anti-junta",
    "anti-coup anti-kremlin anti-assad anti-monarchy rebel insurgent islamist separatist",
)

# What tells persons from a nation: "two Chinese".
COUNTS = words_of(
    "one two three four five six seven eight nine ten eleven twelve dozen dozens hundred",
    "hundreds thousand thousands many several some few both other more most young ordinary 20",
    "fellow",
)

# Parts of compounds that are no names: pro-Russian, Israeli-occupied.
PREFIXES = words_of(
    "pro anti non ex post pre mid self far co un-backed half vice then cross inter",
)

TAILS = words_of(
    "occupied backed led held controlled run based born linked funded supported trained",
    "sponsored aligned allied ruled administered made speaking owned dominated style wide era",
    "majority brokered affiliated inspired flagged registered designated governed besieged area",
    "year old elect",
)

# -------------------------------------------------------------------------- roles, by their words

# Role words that colour the noun after them: "general strike".
ADJECTIVES = words_of(
    "general major national public official executive minor daily state native private subject",
    "weekly press intelligence patient accused mine individual liberal conservative communist",
    "socialist nationalist islamist catholic muslim christian jewish",
)

# Titles that say less than the role before them: "minister Dr X".
HONORIFICS = words_of(
    "dr major sheikh prince rev prof",
)

# Roles that take the sector of what they lead: "president of the court".
LEADING = words_of(
    "president director secretary general commissioner speaker minister king officer captain",
    "speakers presidents editor justice judge chief ombudsman governor manager official",
    "officials",
)

# Of those, the ones that bodies have which are no government: "university president".
PRESIDING = words_of(
    "president presidents official officials commissioner commissioners governor governors",
    "captain captains officer officers",
) | {"vice president", "vice presidents"}

# What an official or president is of, who is no politician: "match officials".
SPORTS = words_of(
    "match league olympic olympics tournament championship cup football soccer cricket rugby",
    "tennis hockey basketball baseball athletics",
)

# Roles of those who are abroad: not of the country that "in" names.
AWAY = words_of(
    "embassy embassies ambassador ambassadors envoy envoys diplomat diplomats consulate",
    "consulates correspondent correspondents migrant migrants refugee refugees tourist tourists",
    "foreigner foreigners peacekeeper peacekeepers expatriate expatriates mission coalition",
    "base missionary",
) | {"charge d'affaires", "chargé d'affaires", "consul general", "special envoy"}

# Roles that stand against or beside the country that modifies them: "US allies".
OPPOSED = words_of(
    "critic critics opponent opponents rival rivals enemy enemies foe foes ally allies",
    "neighbour neighbours neighbor neighbors partner partners target targets",
)

# Weak roles that a country alone does not make a government's.
NOT_OFFICIAL = words_of(
    "group groups site sites vehicle vehicles building buildings network cell",
)

# Citizens by immigration: the word before tells descent, "Indian-American senator".
OF_DESCENT = words_of("american americans canadian canadians australian australians")

# Peoples that are citizens of the country in front: "Syrian Turkmens", "American Indian".
MINORITIES = words_of(
    "turkmen turkmens uzbek uzbeks tajik tajiks azeri azeris serb serbs croat croats khmer",
    "indian indians pakistani pakistanis algerian algerians",
)

# Whose country is not told by their parents': "daughter of immigrants from India".
CHILDREN = words_of("son daughter child grandson granddaughter descendant")

# Roles that the country of the article says nothing about.
FROM_ELSEWHERE = words_of(
    "foreigner foreigners tourist tourists migrant migrants pilgrim pilgrims expatriate ally",
    "allies counterpart counterparts ambassador ambassadors diplomat diplomats envoy enemy",
    "mercenary embassy peacekeeper peacekeepers immigrant coalition nation country countries",
    "nations power powers analyst analysts expert experts state mediator observer observers",
    "republic kingdom",
) | {"world leader", "foreign leader"}

# Offices that others have too and that, said without a country, are this one's if the article
# speaks of it.
USUALLY = dict.fromkeys(
    [
        "secretary of state", "secretary of defense", "defense secretary", "treasury secretary",
        "commerce secretary", "house speaker", "speaker of the house", "majority leader",
        "minority leader", "senate majority leader", "senate minority leader", "special counsel",
        "congressman", "congresswoman", "member of congress",
    ],
    "USA",
) | dict.fromkeys(
    [
        "home secretary", "foreign secretary", "first minister",
    ],
    "GBR",
)  # fmt: skip

# Roles that in the plural are mostly of several countries: "foreign ministers met".
OF_SEVERAL = words_of("president minister leader premier") | {
    "prime minister",
    "foreign minister",
    "defence minister",
    "defense minister",
    "finance minister",
    "head of state",
}

# Roles that point back, and the sectors of organisations they may mean.
POINTING_BACK: dict[str, frozenset[str]] = {
    "group": words_of("CRM NGO PRM PTY REB SOC"),
    "movement": words_of("PTY REB SOC"),
    "militant": words_of("REB"),
    "militants": words_of("REB"),
    "rebel": words_of("REB"),
    "insurgent": words_of("REB"),
    "jihadist": words_of("REB"),
    "militant group": words_of("REB"),
    "rebel group": words_of("REB"),
    "terrorist group": words_of("REB"),
    "armed group": words_of("PRM REB"),
    "militia": words_of("PRM REB"),
    "organisation": words_of("IGO NGO REB"),
    "organization": words_of("IGO NGO REB"),
    "bloc": words_of("IGO"),
    "alliance": words_of("IGO"),
    "company": words_of("BUS"),
    "firm": words_of("BUS"),
    "agency": words_of("COP GOV IGO MED SPY"),
    "news agency": words_of("MED"),
    "newspaper": words_of("MED"),
    "paper": words_of("MED"),
    "broadcaster": words_of("MED"),
    "charity": words_of("NGO"),
    "aid group": words_of("NGO"),
    "aid agency": words_of("NGO"),
    "rights group": words_of("NGO"),
    "party": words_of("PTY"),
    "cartel": words_of("CRM"),
    "gang": words_of("CRM"),
}

# ------------------------------------------------------------------------------------- names

# Capitalised words that are no part of a person's name.
NO_NAME = words_of(
    "the a an this that these those some any many several few most all both each every no other",
    "another such he she it they we i you his her its their our my your him them us me who",
    "whose and or but if when while after before although though because since until as than",
    "then so at by for from in into of off on onto out over to under up with without within",
    "about above against along among around between during near through throughout toward",
    "towards monday tuesday wednesday thursday friday saturday sunday january february march",
    "april may june july august september october november december mon tue wed thu fri sat sun",
    "jan feb mar apr however meanwhile also only even still yet more less first second third",
    "last next earlier later today yesterday tomorrow according there here what why how where",
    "which one two three four five six seven eight nine ten hundreds thousands dozens mr mrs ms",
    "miss sir dame lord lady madam herr señor monsieur not is was were are be been has have had",
    "do does did will would can could should might must said says say told added new old former",
    "ex acting then-president late following speaking asked given based like unlike having",
    "being please dear thanks sorry update photo image video watch read related breaking",
    "exclusive analysis opinion editorial report despite amid it's isn't instead yes well now",
    "once again just top senior chief north south east west northern southern eastern western",
    "central islamic arab western-backed kurdish kurd kurds arabs tamil europe european",
    "europeans african africans asian asians africa asia middle latin america gulf internet",
    "covid covid-19 brexit christmas ramadan jewish orthodox anglican shiite shi'ite greater",
    "hispanic latino easter god islam islamism christianity parliamentarians",
)

# Of those, the ones that are after a given name: Theresa May.
NAMES_TOO = words_of(
    "may april june august north west lord young sat jan said",
)

# Countries, places and roles that are given names too: Jordan Henderson.
GIVEN_NAMES = words_of(
    "jordan chad georgia israel india kenya paris sydney austin virginia carolina dakota cuba",
    "malta america asia ireland florence chelsea dallas houston lincoln washington denver",
    "christian german roman duke earl angel jesus salman cali savannah kingston lima sofia",
    "adelaide victoria milan marine",
)

# And surnames: Michael Jordan, Martin King.
SURNAMES = words_of(
    "jordan ireland england holland wales france german french english israel brazil spain",
    "london berlin washington lincoln paris scott romania welsh irish king prince bishop pope",
    "judge major dean priest baker farmer fisher shepherd constable sheriff miner abbot marshal",
    "cardinal guard pilot driver ranger read may monk nun christian poland chad kiev houston",
    "austin dallas cork montana tennessee delhi sudan kuwait rich power mayor child author page",
    "singer player coach cook mali banks cuba bachelor trader minor lord ward archer hunter",
    "porter daily press mine white friend church house wolf bush hall cotton bank son temple",
    "boss chase knight west north kingston boston bristol brighton cleveland ferguson melbourne",
    "sheffield medina salisbury denver",
)

# Family names that come first: Xi Jinping.
FAMILY_FIRST = words_of(
    "xi li wang hu wen jiang zhang liu zhao zhou chen yang kim park moon lee yoon roh ban mao",
    "deng nguyen tran pham le hun ma sun zhu he geng hua lu qin guo cho choi jang jung kang ho",
    "tsai lai",
)

# -------------------------------------------------------------------------- people in a text

# What may stand among the titles before a name.
MODIFIERS = words_of(
    "former then acting deputy new senior late outgoing incoming interim current ex vice first",
    "chief assistant mr mrs ms miss sir dame lord lady longtime veteran retired influential top",
    "rebel 's exiled jailed ousted prominent right-wing far-right left-wing young fellow its",
    "their his her our",
)

# What stands between somebody and what they are.
COPULAS = words_of(
    "is was are were be been being am remains became become becomes",
)

# What may open an apposition after a name.
APPOSITION = words_of(
    "the a an who's then former his her its one deputy acting now chief head director leader",
    "president spokesman spokeswoman",
)

# Titles whose full stop ends no sentence.
ABBREVIATED = words_of(
    "gen sen rep gov col lt maj capt sgt adm prof dr rev fr brig mr mrs ms st cpl amb supt insp",
)

GENDER_OF_PRONOUN: dict[str, str] = dict.fromkeys(
    words_of(
        "he him his himself",
    ),
    "m",
) | dict.fromkeys(
    words_of(
        "she her hers herself",
    ),
    "f",
)

GENDER_OF_TITLE: dict[str, str] = dict.fromkeys(
    words_of(
        "mr sir lord herr señor king",
    ),
    "m",
) | dict.fromkeys(
    words_of(
        "mrs ms miss dame lady baroness queen",
    ),
    "f",
)

GENDER_OF_ROLE: dict[str, str] = dict.fromkeys(
    words_of(
        "man boy father son brother husband king prince emperor spokesman chairman",
        "congressman policeman businessman grandfather uncle nephew boyfriend priest",
        "sultan crown-prince pope monk gunman",
    ),
    "m",
) | dict.fromkeys(
    words_of(
        "woman girl mother daughter sister wife widow queen princess spokeswoman",
        "chairwoman actress congresswoman policewoman businesswoman grandmother aunt",
        "niece girlfriend nun schoolgirl",
    ),
    "f",
)

# What no noun is, after an adjective: "the Chinese have left".
NO_NOUN = (
    PREPOSITIONS
    | PARTICIPLES
    | COPULAS
    | words_of(
        "and or but have has had do does did will would can could should may might must not don't",
        "won't don’t won’t backed supported sponsored aligned also have reportedly sometimes never",
        "often always still already now then so if when while because as than who too more",
    )
)

# ------------------------------------------------------------------------------- who speaks

SPEECH = words_of(
    "said says told added stated wrote writes tweeted announced declared insisted argued",
    "claimed warned explained noted confirmed admitted acknowledged continued replied responded",
    "remarked commented suggested recalled concluded posted vowed alleged asserted observed",
    "testified reported tells urged stressed emphasised emphasized complained joked asked",
    "demanded",
)

NO_NOUN |= SPEECH

# What ends the speaker's name after the verb: "said X on Monday".
AFTER_SPEAKER = words_of(
    "who that which when while after before as adding referring speaking told if because but in",
    "on at during to by with about following via through last this yesterday today earlier",
    "monday tuesday wednesday thursday friday saturday sunday tonight later recently under over",
    "since until against into onto upon amid despite",
)

# What may stand between the speaker and the verb.
BEFORE_VERB = words_of(
    "has have had also later then previously recently once repeatedly earlier yesterday today",
    "would will could reportedly simply only never however first already still again publicly",
)

# What opens a description between the speaker and the verb.
OPENS_RELATIVE = words_of(
    "who whose a an the",
)

# What stands before the speaker: "but X said".
CLAUSE_STARTS = words_of(
    "but and while when as after before because although though if that on in at by during then",
    "meanwhile however yesterday today earlier later monday tuesday wednesday thursday friday",
    "saturday sunday so since where statement",
)
