"""Who asserts an event: the source that the network found, or the speaker of a quotation."""

from collections.abc import Sequence

from eventwire.models.enrich.actors import Resolver
from eventwire.models.enrich.speakers import Offsets, speaker_at
from eventwire.models.records import Participant


def attribution(
    resolver: Resolver, trigger: Offsets, sources: Sequence[Offsets]
) -> Participant | None:
    """Who asserts the event at `trigger`, as text offsets; resolved like an actor.

    `sources`: spans the network found for this event in its sentence, which win; the nearest to
    the trigger where there are several.
    """
    if sources:
        nearest = min(sources, key=lambda span: _distance(span, trigger))
        found = resolver.participant(*nearest)
        if found:
            return found[0]
    span = speaker_at(resolver, trigger[0])
    found = resolver.participant(*span) if span else []
    return found[0] if found else None


def _distance(span: Offsets, trigger: Offsets) -> int:
    return max(span[0] - trigger[1], trigger[0] - span[1], 0)
