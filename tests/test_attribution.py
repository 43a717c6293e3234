"""Whose word it is: `[ ]` marks the event's trigger, `{ }` a source that the network found."""

import pytest

from eventwire.models.enrich.actors import Resolver
from eventwire.models.enrich.attribution import attribution
from eventwire.models.enrich.quotations import quotations
from eventwire.models.records import Participant
from eventwire.models.text import sentences


def whose(marked: str) -> Participant | None:
    text = "".join(c for c in marked if c not in "[]{}")
    spans: dict[str, list[tuple[int, int]]] = {"[": [], "{": []}
    offset, opened = 0, {"[": 0, "{": 0}
    for c in marked:
        if c in "[{":
            opened[c] = offset
        elif c in "]}":
            mark = "[" if c == "]" else "{"
            spans[mark].append((opened[mark], offset))
        else:
            offset += 1
    found = attribution(Resolver(text, sentences(text)), spans["["][0], spans["{"])
    assert found is None or text[found.start : found.end] == found.text
    return found


CASES = [
    # sources that the network found
    ("{Ukraine's army} said it had [captured] two men.", "Ukraine's army", "UKR MIL"),
    ("{Kenya's police} said rebels [fled], an aide told {Reuters}.", "Kenya's police", "KEN COP"),
    # one sentence, tag after or before
    ('"They [captured] two men," said Anna Berg.', "Anna Berg", "- -"),
    ('"They [captured] two men," Anna Berg said on Monday.', "Anna Berg", "- -"),
    ('"They [captured] two men," the Turkish army said.', "Turkish army", "TUR MIL"),
    ("“They [captured] two men,” said a spokesman for the Iraqi army.", None, "IRQ MIL"),
    ('"Was he [captured]?" asked Anna Berg.', "Anna Berg", "- -"),
    ('Anna Berg said: "They [captured] two men."', "Anna Berg", "- -"),
    ('Anna Berg told Reuters, "They [captured] two men."', "Anna Berg", "- -"),
    ('"They [captured] two men," according to the Swedish police.', "Swedish police", "SWE COP"),
    ("«They [captured] two men,» said Anna Berg.", "Anna Berg", "- -"),
    ("‘They [captured] two men,’ said Anna Berg.", "Anna Berg", "- -"),
    ("'They [captured] the rebels' base,' said Anna Berg.", "Anna Berg", "- -"),
    (
        '"They [captured] two men," said Mr. Berg of the Swedish police. He left.',
        "Mr. Berg of the Swedish police",
        "SWE COP",
    ),
    (
        '"They [captured] two men," Anna Berg, Sweden\'s defence minister, told reporters.',
        "Anna Berg",
        "SWE GOV",
    ),
    (
        'On Monday, Anna Berg has said: "They [captured] two men."',
        "Anna Berg",
        "- -",
    ),
    (
        'Anna Berg, who is on a trip to Oslo, Norway, said on Monday: "They [captured] two men."',
        "Anna Berg",
        "- -",
    ),
    # across sentences
    (
        '"We waited," said Anna Berg. "Nobody came. They [captured] two men."',
        "Anna Berg",
        "- -",
    ),
    (
        '"We waited. Nobody came. They [captured] two men. It is over," said Anna Berg.',
        "Anna Berg",
        "- -",
    ),
    (
        'Anna Berg said: "We waited. Nobody came. They [captured] two men."',
        "Anna Berg",
        "- -",
    ),
    # paragraphs that each open with a mark
    (
        '"We waited a long time.\n\n"They [captured] two men," said Anna Berg.',
        "Anna Berg",
        "- -",
    ),
    (
        '"They [captured] two men there.\n\n"We waited," said Anna Berg.',
        "Anna Berg",
        "- -",
    ),
    (
        'Anna Berg said: "We waited.\n\n"Nobody came.\n\n"They [captured] two men."',
        "Anna Berg",
        "- -",
    ),
    (
        '"We waited for days," said Anna Berg.\n\n"They [captured] two men."',
        "Anna Berg",
        "- -",
    ),
    # a quotation that nothing closes
    ('Anna Berg said: "They [captured] two men', "Anna Berg", "- -"),
    ('Anna Berg said: "They [captured] two men\n\nIt was late.', "Anna Berg", "- -"),
    ('Anna Berg said: "They left\n\nNobody was [captured].', None, None),
    ('"They [captured] two men, said Anna Berg.', None, None),
    # one speaker is not the next one's
    (
        '"We waited," said Anna Berg.\n\n"They [captured] two men," said Hakan Demir.',
        "Hakan Demir",
        "- -",
    ),
    (
        '"We waited," said Anna Berg. Hakan Demir said: "They [captured] two men."',
        "Hakan Demir",
        "- -",
    ),
    # nested
    (
        "“He came and Hakan Demir said, ‘They [captured] two men,’ and left,” said Anna Berg.",
        "Hakan Demir",
        "- -",
    ),
    (
        "“It was ‘a [raid] at night’, and we ran,” said Anna Berg.",
        "Anna Berg",
        "- -",
    ),
    (
        "“Hakan Demir said, ‘It is fine,’ but they [captured] two men,” said Anna Berg.",
        "Anna Berg",
        "- -",
    ),
    # coreference of the speaker
    (
        'Sweden\'s minister Anna Berg spoke. "They [captured] two men," Berg said.',
        "Berg",
        "SWE GOV",
    ),
    (
        'Sweden\'s minister Anna Berg spoke. "They [captured] two men," she said.',
        "she",
        "SWE GOV",
    ),
    # nobody
    ("They [captured] two men.", None, None),
    ('A man in a "red [coat]" left the town.', None, None),
    ('He wrote a book. "They [captured] two men."', None, None),
    ('"We waited," said Anna Berg. They [captured] two men.', None, None),
]


@pytest.mark.parametrize(("article", "speaker", "facts"), CASES, ids=[c for c, _, _ in CASES])
def test_an_event_is_asserted_by_who_says_it(
    article: str, speaker: str | None, facts: str | None
) -> None:
    found = whose(article)
    if facts is None:
        assert found is None
        return
    assert found is not None
    assert f"{found.country or '-'} {found.sector or '-'}" == facts
    assert speaker in (None, found.text)


QUOTED = [
    ('He said "one" and "two".', ['"one"', '"two"']),
    ("It's the rebels' base, isn't it.", []),
    ("‘Don’t go,’ he said.", ["‘Don’t go,’"]),
    ('"One.\n\n"Two," he said.', ['"One.', '"Two,"']),
    ('A 6" pipe burst in town.', []),
    ("“One ‘two’ three”", ["“One ‘two’ three”"]),
    ("", []),
    ("''", []),
]


@pytest.mark.parametrize(("text", "expected"), QUOTED, ids=[t for t, _ in QUOTED])
def test_quotations_are_told_from_apostrophes_and_strays(text: str, expected: list[str]) -> None:
    assert [text[q.start : q.end] for q in quotations(text)] == expected
