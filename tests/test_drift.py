import json
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwire.models import weights
from eventwire.models.coder import REFERENCE, load_reference
from eventwire.models.drift import ENOUGH, FEATURES, OTHER, Profile, Window, add, profile, psi
from eventwire.models.predict import DEFAULT_MODEL


@dataclass(frozen=True)
class Event:
    event_type: str = "capture"
    status: str = "occurred"
    confidence: float = 0.85


histograms = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=20
).map(lambda rows: tuple({str(n): row[side] for n, row in enumerate(rows)} for side in (0, 1)))


def test_the_index_is_the_one_of_the_textbooks() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.4, "b": 0.3, "c": 0.3}
    by_hand = (0.4 - 0.5) * math.log(0.4 / 0.5) + (0.3 - 0.2) * math.log(0.3 / 0.2)
    reference, recent = ({bin_: share * 1e6 for bin_, share in s.items()} for s in shares)
    assert psi(reference, recent) == pytest.approx(by_hand, abs=1e-5)


@given(histograms)
def test_the_index_is_never_negative_and_the_same_both_ways(
    pair: tuple[dict[str, int], dict[str, int]],
) -> None:
    one, other = pair
    assert psi(one, other) >= 0
    assert psi(one, other) == pytest.approx(psi(other, one))


@given(histograms)
def test_what_has_not_moved_has_no_index(pair: tuple[dict[str, int], dict[str, int]]) -> None:
    assert psi(pair[0], pair[0]) == 0


def test_a_profile_counts_what_was_found_and_what_the_text_is_like() -> None:
    events = [Event(), Event("denial", "negated", 0.31), Event(confidence=0.3)]
    found = profile(
        language="en", lengths=[25, 26, 999], unknown_shares=[0, 0.01, 0.9], events=events
    )
    assert found == {
        "event_type": {"capture": 2, "denial": 1},
        "status": {"occurred": 2, "negated": 1},
        "confidence": {"0.9": 1, "0.4": 1, "0.3": 1},
        "sentence_length": {"50": 2, "more": 1},
        "unknown_tokens": {"0": 1, "0.02": 1, "more": 1},
        "language": {"en": 1},
    }
    assert tuple(found) == FEATURES


def test_a_language_that_cannot_be_told_is_not_counted() -> None:
    assert profile(language=None, lengths=[5]) == {"sentence_length": {"50": 1}}


def test_profiles_are_added_up() -> None:
    total: Profile = {}
    add(total, {"language": {"en": 1}})
    add(total, {"language": {"en": 2, "fr": 1}, "status": {"planned": 1}})
    assert total == {"language": {"en": 3, "fr": 1}, "status": {"planned": 1}}


REFERENCE_PROFILE: Profile = {"language": {"en": 1000}, "status": {"occurred": 800, "alleged": 200}}


def read(window: Window, articles: int, **article: dict[str, int]) -> None:
    for _ in range(articles):
        window.add(article)


def test_news_like_the_reference_shows_no_drift() -> None:
    window = Window(REFERENCE_PROFILE)
    read(window, 100, language={"en": 1}, status={"occurred": 4, "alleged": 1})
    assert window.psi("status") < 0.02
    assert window.psi("language") < 0.02


def test_what_the_reference_does_not_have_counts_as_one_bin_of_its_own() -> None:
    window = Window(REFERENCE_PROFILE)
    for language in ("en", "fr", "de", "xx"):
        read(window, 100, language={language: 1})
    assert window.psi("language") > 1
    assert set(window._recent["language"]) == {"en", OTHER}


def test_drift_is_forgotten_when_the_news_is_as_before() -> None:
    window = Window(REFERENCE_PROFILE, articles=50)
    read(window, 100, language={"fr": 1})
    assert window.psi("language") > 1
    read(window, 500, language={"en": 1})
    assert window.psi("language") < 0.1


def test_little_is_no_drift() -> None:
    window = Window(REFERENCE_PROFILE)
    read(window, 2 * ENOUGH - 1, language={"fr": 1})
    assert window.psi("language") == 0
    read(window, 5, language={"fr": 1})
    assert window.psi("language") > 1


def test_a_feature_that_the_reference_lacks_has_no_drift() -> None:
    window = Window(REFERENCE_PROFILE)
    read(window, 500, sentence_length={"50": 10})
    assert window.psi("sentence_length") == 0


def test_the_shipped_model_has_a_reference_of_its_own_weights() -> None:
    """If this fails: `eventwire train --reference-only --out models/event-coder-en`."""
    sha256 = weights.load_manifest(DEFAULT_MODEL)["sha256"]
    reference = load_reference(DEFAULT_MODEL, sha256)
    assert reference is not None
    assert set(reference) == set(FEATURES)
    assert all(sum(reference[feature].values()) >= 1000 for feature in FEATURES)


def test_the_short_sentences_of_whole_articles_are_no_drift() -> None:
    """The reference is made of sentences chosen one by one, which hardly ever are that short."""
    reference = load_reference(DEFAULT_MODEL, weights.load_manifest(DEFAULT_MODEL)["sha256"])
    assert reference is not None
    news = [float(edge) - 1 for edge, n in reference["sentence_length"].items() if edge != "more"
            for _ in range(n // 10)]  # fmt: skip
    window = Window(reference)
    short = [15.0, 20.0] * (len(news) // 60)  # one in thirty
    window.add(profile(language=None, lengths=[int(length) for length in news + short]))
    assert 0 < window.psi("sentence_length") < 0.1


def test_a_reference_of_other_weights_is_not_used(tmp_path) -> None:
    stored = json.loads((DEFAULT_MODEL / REFERENCE).read_text())
    (tmp_path / REFERENCE).write_text(json.dumps(stored | {"sha256": "0" * 64}))
    assert load_reference(tmp_path, "0" * 64) == stored["histograms"]
    assert load_reference(tmp_path, "1" * 64) is None


def test_a_model_without_a_reference_has_none(tmp_path) -> None:
    assert load_reference(tmp_path, "0" * 64) is None


def test_a_damaged_reference_is_told_with_its_name(tmp_path) -> None:
    (tmp_path / REFERENCE).write_text('{"sha256": ')
    with pytest.raises(weights.WeightsError, match=r"reference\.json: cannot be read"):
        load_reference(tmp_path, "0" * 64)
