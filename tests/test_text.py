import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventwire.models.text import canonical, sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


# ------------------------------------------------------------------------------ canonical text


def test_canonical_text_keeps_everything_that_can_be_stored() -> None:
    text = "\ufeffArmy\r\nshelled\tthe\u00a0port. \U0001f4a5 e\u0301 \ufffd\x07"
    assert canonical(text) == text


def test_nul_and_lone_surrogates_are_replaced_one_for_one() -> None:
    assert canonical("Army\0 shelled\ud83d the\udc00 port.") == "Army� shelled� the� port."


@given(st.text(st.characters(exclude_categories=())))
def test_canonical_text_has_the_same_length_and_can_be_encoded(text: str) -> None:
    assert len(canonical(text)) == len(text)
    canonical(text).encode()


# ----------------------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    "marked",
    [
        # plain
        "Rebels shelled the port.| The army withdrew.| Was it over?| No!| Talks resumed.",
        "No stop at the end",
        # titles, initials, ranks, organisations
        "Mr. Smith met Gen. Omar Tigani and Lt.-Gen. Sato.| Dr. Ruiz and Prof. Mbeki waited.",
        "George W. Bush and J.K. Rowling met Michael J. “Mike” Smith.| They shook hands.",
        "Sen. Lindsey Graham (R-S.C.) met Rep. Adam Schiff, D-Calif., on Monday.| Both left.",
        "Acme Inc. Chief Executive Ann Lee met Bolt Corp. workers.| Later she left Acme Inc.| The "
        "board was told.",
        "Martin Luther King Jr. Boulevard was closed.| Police sealed St. Peter’s on Oct. 12.",
        # acronyms, also at the end
        "The U.S. Army and U.N. Security Council staff left the U.S.| The D.C. office shut.",
        "He fled to the U.S.| But his family stayed.| “I miss Washington, D.C.”| He wept.",
        "The envoy posted it on X.| “Nobody was hurt in the attack last night,” he wrote.",
        # clock times
        "It began at 7:30 p.m. ET on Friday and at 4 a.m. Paris time.| It ended at 9 p.m.| Police "
        "left.",
        "The blast came at 5 p.m. Monday, the mayor said.",
        # numbers
        "Prices rose 3.5 percent to $1.2 million in 2008.| In 2009 they fell.| 15 people died.",
        "Resolution No. 5 was read.| Did he agree?| No.| He did not.",
        # datelines
        "KABUL (Reuters) - Gunmen shot a judge.| LOS ANGELES, Calif. (AP) — Police shot back.",
        "WASHINGTON, D.C. – The Senate met.",
        # quotations
        "“We will fight.| We will win,” Omar said.| “Who will stop us?”| Nobody answered.",
        '"We will fight." said Omar.| "Why now?" he asked.| "Never!" Omar Tigani said.',
        "“Why now?” asked Ruiz.| “Stop!”| The crowd fell silent.",
        "He called it “a crime.”| She called it 'a mistake.'| They left.",
        "The talks (the first since May.) went on.| (They had failed before.)| Nobody came.",
        # ellipses
        "They came... and went.| He waited…| Nobody came.| “Well ... they left,” he said.",
        "The party [...] lost.| Its rival won [...]| Nobody (!) was surprised.",
        # names that begin in lower case
        "The army left.| al-Shabab fighters came.| iPhone sales fell.",
        # addresses
        "Write to press@un.org or see www.un.org/News.Org pages.| Amazon.Com did not reply.",
        # list numbers stay with their item
        "1. Rebels left.| 2. The army came.",
        # lost spaces
        "The war has ended.|The minister said so.|“We won,” he said.|It was so.",
        'He said: "We won."|The crowd left.|"It is over," he said.|"We won."|Nobody cheered.',
        "The report came on 9/11.|It named the U.S. twice.|U.S. officials read it.",
    ],
)
def test_sentences_end_where_a_reader_would_end_them(marked: str) -> None:
    text = marked.replace("|", "")
    assert split(text) == [piece.strip() for piece in marked.split("|")]


def test_text_without_capitals_is_split_at_its_stops() -> None:
    assert split("police met mr. smith. he paid PS5.  they stayed." + " they waited." * 40)[:3] == [
        "police met mr. smith.",
        "he paid PS5.",
        "they stayed.",
    ]


def test_an_article_with_few_capitals_is_not_taken_for_one_without() -> None:
    text = f"“is it over?” he asked {'again and ' * 50}again.".replace("“is", "“Is")
    assert split(text) == [text]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_a_blank_line_ends_a_paragraph(line_end: str) -> None:
    text = f"Protests in Kabul{line_end}{line_end}  Thousands marched{line_end} {line_end}Police"
    assert split(text) == ["Protests in Kabul", "Thousands marched", "Police"]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\x85", "\u2028"])
def test_lines_that_were_wrapped_are_read_as_one(line_end: str) -> None:
    lines = [
        "Thousands of people marched through the capital on Sunday to protest against the",
        "decision of the government to raise the price of bread, the police said. Some Mr.",
        "Omar and others threw stones at the Ministry of Finance, where officers in helmets",
        "stood.",
    ]
    text = line_end.join(lines)
    first, second = split(text)
    assert first.endswith("the police said.")
    assert second.startswith("Some Mr.")


def test_a_line_that_goes_on_in_lower_case_is_no_end() -> None:
    text = f"Omar met {'many ' * 30}men,\nwho shook hands with {'many ' * 60}others\nand left."
    assert split(text) == [text]


def test_a_line_break_on_purpose_ends_a_sentence() -> None:
    text = "Protests in Kabul\nThousands marched on Sunday.\nPolice fired in the air.\nby our staff"
    assert split(text) == text.split("\n")


def test_list_items_are_sentences_of_their_own() -> None:
    text = "The court:\n• jailed two men\n• freed one\n- fined a fourth man;\n- and closed a paper"
    assert split(text) == text.split("\n")


def test_offsets_count_carriage_returns_as_sent() -> None:
    text = "Talks began.\r\n\r\nTalks failed.\r\n\r\nThey left.\r\n\r\nRebels shelled the port.\r\n"
    assert sentences(text)[-1] == (text.index("Rebels"), text.index("Rebels") + 24)


def test_repeated_list_items_after_bare_carriage_returns_keep_their_own_offsets() -> None:
    text = "1) Rebels shelled the port.\r2) Rebels shelled the port.\r3) The army withdrew."
    assert [start for start, _ in sentences(text)] == [0, 28, 56]


@pytest.mark.parametrize(("opening", "closing"), [("“", "”"), ("'", "'"), ("“", ""), ('"', '"')])
def test_sentences_within_a_long_quotation_are_found(opening: str, closing: str) -> None:
    inner = [f"In month {n} the {'very ' * 50}old army shelled the port." for n in range(10)]
    text = f"He said: {opening}{' '.join(inner)}{closing} Nobody else spoke that day."
    pieces = split(text)
    assert len(pieces) == 11
    assert pieces[-1] == "Nobody else spoke that day."


@pytest.mark.parametrize("stray", ["”", '"', ")", "*  *  *", "...", "— –"])
def test_punctuation_alone_is_no_sentence(stray: str) -> None:
    assert split(f"{stray}\n\nTalks began. {stray}\n\n{stray}\n\n{stray} Talks failed.") == [
        f"Talks began. {stray}",
        f"{stray} Talks failed.",
    ]


def test_a_sentence_longer_than_any_window_stays_whole() -> None:
    text = f"The list named {', '.join(['the city of Aden'] * 500)}. It was long."
    assert [len(piece) > 5000 for piece in split(text)] == [True, False]


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t", "“”", "..."])
def test_nothing_to_read_gives_no_sentences(text: str) -> None:
    assert sentences(text) == []


PIECES = ["Mr", "U.S", "p.m", "No", "he", "Omar", "5", "1.", "é", "\u0301"]
STOPS = [*'.?!"“”’()]-•', "..."]
SPACES = [" ", "  ", "\n", "\r\n", "\r", "\u2028", "\x85"]
NEWSLIKE = st.lists(st.sampled_from([*PIECES, *STOPS, *SPACES]), max_size=60).map("".join)


@given(NEWSLIKE | st.text())
def test_sentences_are_in_order_disjoint_trimmed_and_leave_no_word_out(text: str) -> None:
    end = 0
    for sentence in sentences(text):
        assert not any(c.isalnum() for c in text[end : sentence.start])
        assert end <= sentence.start < sentence.end
        piece = text[sentence.start : sentence.end]
        assert piece == piece.strip()
        assert any(c.isalnum() for c in piece)
        end = sentence.end
    assert not any(c.isalnum() for c in text[end:])


@example("\n-", "")
@given(NEWSLIKE, NEWSLIKE)
def test_paragraphs_do_not_influence_each_other(first: str, second: str) -> None:
    assert (
        split(f"Talks. {first}\n\n{second}")
        == split(f"Talks. {first}") + split(f"Talks.\n\n{second}")[1:]
    )


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2_000_000,
        "." * 500_000,
        ". " * 250_000,
        '"' * 500_000,
        '."' * 250_000,
        'end."The ' * 60_000,
        "a." * 250_000,
        "A. " * 150_000,
        "? " * 200_000 + "Who",
        "\n" * 500_000,
        "x\n" * 250_000,
        "e" + "\u0301" * 500_000,
        " " * 500_000,
        ".\u3000" * 250_000,
        "(" * 250_000 + ")" * 250_000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    started = time.process_time()
    sentences(text)
    assert time.process_time() - started < 5
