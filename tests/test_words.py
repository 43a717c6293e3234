from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from eventwire.models import predict
from eventwire.models.words import WINDOW, WordReader, batches, case_of, padded, windows

reader = WordReader(predict.DEFAULT_MODEL)


def texts(sentence: str) -> list[str]:
    (words,) = reader.read([sentence])
    return [sentence[start:end] for start, end in words.spans]


def test_words_are_split_at_spaces_and_punctuation() -> None:
    assert texts("Sybiha's envoy, Kyiv-based") == [
        "Sybiha",
        "'",
        "s",
        "envoy",
        ",",
        "Kyiv",
        "-",
        "based",
    ]


def test_a_word_of_several_pieces_is_one_word() -> None:
    (words,) = reader.read(["Orikhiv fell"])
    assert len(words.ids) > len(words.spans) == 2
    assert words.last[0] > words.first[0]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_words_stand_where_their_offsets_say_in_any_text(sentence: str) -> None:
    (words,) = reader.read([sentence])
    assert all(0 <= start <= end <= len(sentence) for start, end in words.spans)
    assert all(a[1] <= b[0] for a, b in pairwise(words.spans))
    assert len(words.case) == len(words.ids)


def test_case_tells_lower_capitalised_and_upper() -> None:
    assert [case_of(w) for w in ("army", "Army", "U", "NATO", "McCain", "2019")] == [
        0,
        1,
        1,
        2,
        2,
        0,
    ]


def test_a_short_sentence_is_its_own_window() -> None:
    (words,) = reader.read(["Troops left."])
    assert windows(words) == [words]


def test_windows_of_a_long_sentence_fit_and_cover_every_word() -> None:
    (words,) = reader.read([" ".join(f"word{n} Orikhiv" for n in range(400))])
    parts = windows(words)
    assert all(0 < len(part.ids) <= WINDOW for part in parts)
    assert all(len(part.case) == len(part.ids) for part in parts)
    covered = {part.skipped + n for part in parts for n in range(len(part.spans))}
    assert covered == set(range(len(words.spans)))
    for part in parts:
        assert part.spans == words.spans[part.skipped : part.skipped + len(part.spans)]
        assert part.first[0] == 0
        assert part.last[-1] == len(part.ids) - 1


def test_neighbouring_windows_share_words() -> None:
    (words,) = reader.read(["troops " * 500])
    parts = windows(words)
    for one, other in pairwise(parts):
        assert one.skipped < other.skipped < one.skipped + len(one.spans)


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(300, 2000))
def test_batches_hold_every_index_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = list(batches(lengths, budget))
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    assert all(len(group) * max(lengths[i] for i in group) <= budget for group in groups)
    assert all(len({padded(lengths[i]) for i in group}) == 1 for group in groups)


def test_padding_is_masked_out() -> None:
    pieces = reader.pieces(reader.read(["Troops left the town.", "Troops left."]))
    assert pieces.mask.sum(1).tolist() == [7, 5]
    assert pieces.word_mask.sum(1).tolist() == [5, 3]
    assert pieces.ids[0, 0] == pieces.ids[1, 0] == reader.cls
