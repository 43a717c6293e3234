"""The dashboard "News", for the analyst: who does what to whom, where, and with which evidence.

Everything is read from the table that `eventwire sink` fills; docs/sink.md has its columns.
"""
# ruff: noqa: S608 - queries are made of constants; what a reader chooses, Grafana quotes

import dashboard_parts as parts
from dashboard_parts import EVERYTHING, SERIES, rows_of, series_of, sized
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh

from eventwire.models.ontology import STATUSES, ontology

UNKNOWN_SOURCE = "(not told)"


def _chosen(column: str, variable: str) -> str:
    chosen = f"${{{variable}:sqlstring}}"
    return f"('{EVERYTHING}' IN ({chosen}) OR {column} IN ({chosen}))"


CHOSEN = f"""$__timeFilter(e.reported_at)
   AND e.confidence >= $confidence
   AND {_chosen("e.event_type", "type")}
   AND {_chosen("e.status", "status")}
   AND {_chosen(f"coalesce(e.source, '{UNKNOWN_SOURCE}')", "source")}"""
"""Events that the variables ask for."""


def over_time(dimension: str) -> str:
    """Events an interval, by `dimension`: a zero where there are none, also if there are none at
    all. Intervals are as wide as a pixel of the panel is long, and a minute at least."""
    return f"""
WITH step AS (
  SELECT make_interval(secs => greatest($__interval_ms, 60000) / 1000.0) AS step
), chosen AS (
  SELECT date_bin(step, e.reported_at, 'epoch') AS time, {dimension} AS metric
    FROM step, eventwire.events e
   WHERE {CHOSEN}
), metrics AS (
  SELECT metric FROM chosen WHERE metric IS NOT NULL
   GROUP BY metric ORDER BY count(*) DESC LIMIT {SERIES}
), named AS (
  SELECT metric FROM metrics UNION ALL SELECT 'events' WHERE NOT EXISTS (SELECT FROM metrics)
), times AS (
  SELECT generate_series(date_bin(step, $__timeFrom()::timestamptz, 'epoch'),
                         $__timeTo()::timestamptz, step) AS time
    FROM step
)
SELECT times.time AS "time", named.metric AS "metric", count(chosen.metric) AS "events"
  FROM times CROSS JOIN named
  LEFT JOIN chosen ON chosen.time = times.time AND chosen.metric = named.metric
 GROUP BY 1, 2
 ORDER BY 1, 2"""


def _count(what: str) -> str:
    return f"SELECT {what} FROM eventwire.events e WHERE {CHOSEN}"


def _percent(condition: str) -> str:
    return _count(f"coalesce(100.0 * count(*) FILTER (WHERE {condition}) / nullif(count(*), 0), 0)")


COUNTRIES = f"""
SELECT p.country AS country, count(DISTINCT p.event_id) AS events
  FROM eventwire.events e
  JOIN eventwire.participants p ON p.event_id = e.event_id AND p.role = 'actor'
 WHERE {CHOSEN} AND p.country IS NOT NULL
 GROUP BY p.country
 ORDER BY events DESC, country
 LIMIT 15"""

DYADS = f"""
SELECT a.country AS actor, t.country AS target, count(*) AS events,
       round(avg(e.goldstein)::numeric, 1) AS goldstein,
       count(*) FILTER (WHERE e.quad_class IN (1, 2)) AS cooperation,
       count(*) FILTER (WHERE e.quad_class IN (3, 4)) AS conflict,
       max(e.reported_at) AS latest
  FROM eventwire.events e
  JOIN eventwire.participants a ON a.event_id = e.event_id AND a.role = 'actor'
  JOIN eventwire.participants t ON t.event_id = e.event_id AND t.role = 'target'
 WHERE {CHOSEN} AND a.country <> t.country
 GROUP BY a.country, t.country
 ORDER BY events DESC, latest DESC
 LIMIT 50"""

PLACES = f"""
SELECT e.latitude, e.longitude, e.place, e.place_country AS country, count(*) AS events,
       mode() WITHIN GROUP (ORDER BY e.event_type) AS "most often", max(e.reported_at) AS latest
  FROM eventwire.events e
 WHERE {CHOSEN} AND e.latitude IS NOT NULL AND e.place_precision IS DISTINCT FROM 'country'
 GROUP BY e.latitude, e.longitude, e.place, e.place_country
 ORDER BY events DESC
 LIMIT 1000"""


def _latest(condition: str) -> str:
    return f"""
SELECT e.reported_at AS time, e.event_type AS type, e.actor, e.target, e.place, e.status,
       e.confidence, e.evidence, e.attributed_to AS "says", e.source, e.article_title AS title,
       e.article_url AS url
  FROM eventwire.events e
 WHERE {CHOSEN} AND {condition}
 ORDER BY e.reported_at DESC, e.event_id
 LIMIT 200"""


EVENT_COLUMNS: parts.Columns = {
    "time": {"custom.width": 160},
    "type": {"custom.width": 120},
    "status": {"custom.width": 95},
    "confidence": {"custom.width": 90, "unit": "percentunit", "decimals": 0},
    "evidence": {"custom.width": 520, "custom.inspect": True},
    "title": {"links": [{"title": "The article", "url": "${__data.fields.url}",
                         "targetBlank": True}]},
    "url": {"custom.hidden": True},
}  # fmt: skip


def build() -> dashboard.Dashboard:
    source = (
        dashboard.QueryVariable("source")
        .label("Source")
        .datasource(parts.POSTGRESQL)
        .query(
            f"SELECT DISTINCT coalesce(source, '{UNKNOWN_SOURCE}') FROM eventwire.events"
            " WHERE $__timeFilter(reported_at) ORDER BY 1 LIMIT 1000"
        )
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(f"'{EVERYTHING}'")
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
    confidence = (
        dashboard.CustomVariable("confidence")
        .label("Confidence from")
        .values("0,0.5,0.6,0.7,0.8,0.9")
        .current(VariableOption(selected=True, text="0.5", value="0.5"))
    )
    everything = f"'{EVERYTHING}'"
    board = (
        parts.new(
            "News", "eventwire-news", "Events as an analyst reads them, from PostgreSQL.", "now-7d"
        )
        .with_variable(parts.database_variable())
        .with_variable(source)
        .with_variable(parts.choice("type", "Type", ontology().names, everything))
        .with_variable(parts.choice("status", "Status", STATUSES, everything))
        .with_variable(confidence)
    )
    for panel in _panels():
        board.with_panel(panel)
    return board


def _panels() -> list[parts.Panel]:
    number, bars, rows = parts.number, parts.bars, parts.rows
    return [
        sized(number("Events", "That the variables above let pass.",
                     rows_of(_count("count(*)"))), 4, 4),
        sized(number("Articles", "That report them.",
                     rows_of(_count("count(DISTINCT e.article_id)"))), 4, 4),
        sized(number("Alleged", "The content of an accusation or claim, not a fact.",
                     rows_of(_percent("e.status = 'alleged'")), unit="percent"), 4, 4),
        sized(number("Negated", "The content of a denial.",
                     rows_of(_percent("e.status = 'negated'")), unit="percent"), 4, 4),
        sized(number("Planned or possible", "To come, or under a condition.",
                     rows_of(_percent("e.status IN ('planned', 'hypothetical')")),
                     unit="percent"), 4, 4),
        sized(number("Material conflict", "Quad class 4: force, coercion, sanctions, protest.",
                     rows_of(_percent("e.quad_class = 4")), unit="percent"), 4, 4),
        sized(bars("Events by type", f"The {SERIES} commonest types, when they were reported.",
                   series_of(over_time("e.event_type"))), 24, 9),
        sized(parts.world("Places", "Cities and regions, sized by events; countries are left out,"
                          " since their point says nothing.", rows_of(PLACES)), 14, 12),
        sized(parts.ranking("Actors by country", "Events with an actor of that country.",
                            rows_of(COUNTRIES)), 10, 12),
        sized(rows("Who to whom", "Pairs of countries. Goldstein: -10 conflict to 10 cooperation.",
                   rows_of(DYADS), {"latest": {"custom.width": 160}}), 24, 9),
        sized(rows("Captures, summons and denials", "The latest, with the sentence that reports"
                   " each.", rows_of(_latest("e.event_type IN ('capture', 'summons', 'denial')")),
                   EVENT_COLUMNS), 24, 10),
        sized(bars("Status", "How much is fact, and how much is only said.",
                   series_of(over_time("e.status"))), 12),
        sized(bars("Cooperation and conflict", "By quad class.", series_of(over_time(
            "(ARRAY['verbal cooperation', 'material cooperation', 'verbal conflict',"
            " 'material conflict'])[e.quad_class]"))), 12),
        sized(rows("Latest events", "All that the variables above let pass.",
                   rows_of(_latest("true")), EVENT_COLUMNS), 24, 14),
    ]  # fmt: skip
