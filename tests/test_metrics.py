import os
import time
from typing import get_args

import pytest

from eventwire.models.drift import FEATURES
from eventwire.models.ontology import ontology
from eventwire.models.records import ModelRef, Stats, Status
from eventwire.streams.decode import REASONS
from eventwire.streams.metrics import Metrics, Partition, Waiting


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in metrics.registry.collect())


def test_every_combination_of_labels_stands_at_zero_from_the_start(metrics: Metrics) -> None:
    for outcome in ("coded", "no_event", "unsupported_language", "duplicate", "dead_letter"):
        assert value(metrics, "eventwire_articles_total", outcome=outcome) == 0
    for reason in REASONS:
        assert value(metrics, "eventwire_dead_letters_total", reason=reason) == 0
    for name in ontology().names:
        for status in get_args(Status):
            assert value(metrics, "eventwire_events_total", type=name, status=status) == 0


def test_series_do_not_grow_with_what_is_counted(metrics: Metrics) -> None:
    before = series(metrics)
    for number in range(100):
        metrics.event(f"type-{number}", f"status-{number}", 0.5)
        metrics.coder(Stats(seconds={f"stage-{number}": 1.0}), 0)
        metrics.inference(f"device-{number}", f"precision-{number}")
        metrics.model(ModelRef(name="m", version=str(number), sha256="0"))
    assert series(metrics) == before + 1  # the model
    assert value(metrics, "eventwire_events_total", type="other", status="other") == 100
    assert value(metrics, "eventwire_stage_seconds_sum", stage="other") == 100
    assert value(metrics, "eventwire_inference_info", device="other", precision="other") == 1


def test_two_workers_in_a_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.article("coded")
    assert value(one, "eventwire_articles_total", outcome="coded") == 1
    assert value(other, "eventwire_articles_total", outcome="coded") == 0


def test_what_a_batch_cost_in_the_coder_is_added_up(metrics: Metrics) -> None:
    spent = Stats(sentences=3, tokens=40, padded_tokens=50, seconds={"encode": 0.5})
    metrics.coder(spent, skipped_characters=7)
    metrics.coder(spent, skipped_characters=0)
    assert value(metrics, "eventwire_sentences_total") == 6
    assert value(metrics, "eventwire_padding_ratio_count") == 2
    assert value(metrics, "eventwire_padding_ratio_sum") == pytest.approx(2 * 0.2)
    assert value(metrics, "eventwire_skipped_characters_total") == 7
    assert value(metrics, "eventwire_stage_seconds_sum", stage="encode") == 1.0
    assert value(metrics, "eventwire_stage_seconds_count", stage="encode") == 2


@pytest.mark.parametrize(
    ("committed", "start", "end", "lag"),
    [
        (5, 0, 9, 4),
        (9, 0, 9, 0),
        (None, 3, 9, 6),  # no commit yet is not 0
        (None, None, 0, 0),
        (None, None, 9, None),
        (None, 3, None, None),
        (12, 0, 9, 0),  # never below zero
    ],
)
def test_lag_is_what_is_not_committed_yet(
    committed: int | None, start: int | None, end: int | None, lag: int | None
) -> None:
    assert Partition(number=0, committed=committed, start=start, end=end).lag == lag


def test_what_only_markers_of_a_transaction_follow_is_no_lag() -> None:
    assert Partition(number=0, committed=5, start=0, end=6, read_up_to=6).lag == 0


def test_lag_is_read_at_every_scrape_and_odd_conditions_have_series_of_their_own(
    metrics: Metrics,
) -> None:
    partitions = [Partition(number=3, committed=None, start=0, end=8)]
    metrics.partitions(lambda: partitions)
    assert value(metrics, "eventwire_lag_messages", partition="3") == 8
    assert value(metrics, "eventwire_partition_without_commit", partition="3") == 1
    partitions[0] = Partition(number=3, committed=10, start=0, end=8)
    assert value(metrics, "eventwire_lag_messages", partition="3") == 0
    assert value(metrics, "eventwire_partition_without_commit", partition="3") == 0
    assert value(metrics, "eventwire_committed_beyond_end", partition="3") == 1


def test_lag_in_seconds_is_the_age_of_the_first_article_not_committed(metrics: Metrics) -> None:
    sent = [round((time.time() - seconds) * 1000) for seconds in (90, 30, -3600)]
    metrics.partitions(
        lambda: [
            Partition(number=n, committed=5, start=0, end=9, oldest=oldest)
            for n, oldest in enumerate(sent)
        ]
    )
    found = [value(metrics, "eventwire_lag_seconds", partition=str(n)) for n in range(3)]
    assert found == [pytest.approx(90, abs=60), pytest.approx(30, abs=60), 0]
    assert (found[0] or 0) > (found[1] or 0)


def test_lag_in_seconds_is_zero_where_nothing_waits_and_unknown_where_lag_is(
    metrics: Metrics,
) -> None:
    metrics.partitions(lambda: [Partition(0, 9, 0, 9), Partition(1, None, None, None)])
    assert value(metrics, "eventwire_lag_seconds", partition="0") == 0
    assert value(metrics, "eventwire_lag_seconds", partition="1") is None


def test_where_nothing_was_read_articles_wait_since_they_were_first_seen_to() -> None:
    now = 1000.0
    waiting = Waiting(lambda: now)
    unread, read, done = (
        Partition(0, 5, 0, 9), Partition(0, 5, 0, 9, oldest=900_000), Partition(0, 9, 0, 9)
    )  # fmt: skip
    assert waiting.seconds(unread) == 0
    now = 1030.0
    assert waiting.seconds(unread) == 30
    assert waiting.seconds(read) == 130
    now = 1040.0
    assert waiting.seconds(unread) == 0
    assert waiting.seconds(done) == 0
    now = 1050.0
    assert waiting.seconds(unread) == 0


def test_drift_is_zero_without_a_reference_and_for_every_feature_from_the_start(
    metrics: Metrics,
) -> None:
    metrics.reference(None)
    for _ in range(100):
        metrics.drift({"language": {"fr": 1}})
    assert {value(metrics, "eventwire_drift_psi", feature=each) for each in FEATURES} == {0}


def test_the_coders_memory_is_that_of_its_process(metrics: Metrics) -> None:
    assert value(metrics, "eventwire_coder_resident_memory_bytes") == 0
    pid: int | None = os.getpid()
    metrics.coder_process(lambda: pid)
    assert (value(metrics, "eventwire_coder_resident_memory_bytes") or 0) > 1e6
    pid = None
    assert value(metrics, "eventwire_coder_resident_memory_bytes") == 0


def test_process_metrics_are_there(metrics: Metrics) -> None:
    assert (value(metrics, "process_resident_memory_bytes") or 0) > 0
