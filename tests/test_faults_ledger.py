"""The ledger gives the same answers whoever is asked: after a restart, on another worker, after a
kill, and with another model."""

import signal
from collections.abc import Callable

import fault_stories as stories
from conftest import Room, WorkerProcess
from fakes.fake_coder import FakeCoder

from eventwire.models.records import Article

NewRoom = Callable[..., Room]
NewWorker = Callable[..., WorkerProcess]

SECONDS = 120.0
SAME = "They met. They captured it."
RECODE = [("eventwire-recode", b"true")]


class Desk:
    """Sends the same articles again and again, and corrections of others."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._corrections = 0
        sent = [self.room.send_article(f"same-{p}", SAME, partition=p) for p in (0, 1)]
        self._first = [self.room.ledger_of(position, SECONDS) for position in sent]

    def check(self) -> None:
        self._corrections += 1
        # One event moves each time: so one comes, and one is taken back.
        text = f"They met. {'It rained. ' * self._corrections}They captured it."
        again = [self.room.send_article(f"same-{p}", SAME, partition=p) for p in (0, 1)]
        fixed = [self.room.send_article(f"fixed-{p}", text, partition=p) for p in (0, 1)]
        for first, position in zip(self._first, again, strict=True):
            record = self.room.ledger_of(position, SECONDS)
            assert (record.outcome, record.model) == ("duplicate", first.model)
            assert record.event_ids == first.event_ids
        for position in fixed:
            record = self.room.ledger_of(position, SECONDS)
            coding = FakeCoder().coding(Article(id=record.article_id, text=text))
            ids = {event.event_id for event in coding.events}
            assert (record.outcome, set(record.event_ids)) == ("coded", ids)
            captures = {e.event_id for e in coding.events if e.event_type == "capture"}
            assert self._standing(record.article_id) == (ids, captures)

    def _standing(self, article_id: str) -> tuple[set[str], set[str]]:
        """Ids of the article's events, and of those on the topic of captures: all written before
        the ledger's record was."""
        topics = self.room.topics
        self.room.read(200)
        events, captures = (
            {i for i, event in self.room.events(t).items() if event["article"]["id"] == article_id}
            for t in (topics.events.name, topics.routed["capture"].name)
        )
        return events, captures


def test_duplicates_and_corrections_are_known_to_whoever_has_the_partition(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("ledger-moves")
    first = stories.start(room, new_worker)
    desk = Desk(room)
    desk.check()

    first.signal(signal.SIGTERM)
    assert first.wait(60) == 0
    second = stories.start(room, new_worker)
    desk.check()
    desk.check()

    third = stories.start(room, new_worker)
    stories.until_given(second, 1)  # one partition is the other's now
    desk.check()

    given = third.logged.count("given partitions")
    second.signal(signal.SIGKILL)
    stories.until_given(third, given, "[0, 1]")
    desk.check()
    assert third.metric("eventwire_ledger_entries") == 4
    assert third.metric("eventwire_ledger_entries_limit") == 100_000
    assert {record.outcome for record in room.ledger().values()} == {"coded", "duplicate"}


def test_another_model_codes_again_where_asked_to_and_what_was_forgotten_keeps_its_ids(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("ledger-models", partitions=1)
    first = stories.start(room, new_worker, EVENTWIRE_LEDGER_ENTRIES="3")
    sent = [room.send_article(f"a{number}", SAME) for number in range(5)]
    coded = [room.ledger_of(position, SECONDS) for position in sent]
    assert first.metric("eventwire_ledger_entries") == 3
    assert first.metric("eventwire_ledger_entries_limit") == 3
    standing = room.events()
    again = [room.ledger_of(room.send_article(f"a{n}", SAME), SECONDS) for n in (4, 0)]
    assert [record.outcome for record in again] == ["duplicate", "coded"]  # a0 had fallen out
    assert [record.event_ids for record in again] == [coded[4].event_ids, coded[0].event_ids]
    assert room.events() == standing
    first.signal(signal.SIGTERM)
    assert first.wait(60) == 0

    stories.start(room, new_worker, EVENTWIRE_MODEL="2")
    headers: list[list[tuple[str, bytes]]] = [[], RECODE, RECODE, []]
    sent = [room.send_article("a0", SAME, headers=each) for each in headers]
    records = [room.ledger_of(position, SECONDS) for position in sent]
    assert [r.outcome for r in records] == ["duplicate", "coded", "duplicate", "duplicate"]
    assert [r.model.version for r in records if r.model] == ["1", "2", "2", "2"]
    assert all(record.event_ids == coded[0].event_ids for record in records)
    models = {room.events()[event_id]["model"]["version"] for event_id in coded[0].event_ids}
    assert models == {"2"}
