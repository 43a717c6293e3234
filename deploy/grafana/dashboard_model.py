"""The dashboard "Model": what codes, how sure it is, whether the news has moved away from it."""

import dashboard_parts as parts
from dashboard_parts import bars, gauges, lines, number, or_zero, promql, rows_of, sized
from dashboard_pipeline import RATE, W, cells, gauge, mean, rate
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

VERSIONS = """
SELECT e.model, e.model_version AS version, left(e.model_sha256, 12) AS weights,
       count(*) AS events, count(DISTINCT e.article_id) AS articles,
       round(count(*)::numeric / count(DISTINCT e.article_id), 2) AS "events an article",
       round(avg(e.confidence)::numeric, 3) AS confidence,
       round(100.0 * count(*) FILTER (WHERE e.status = 'alleged') / count(*), 1) AS "alleged, %",
       round(100.0 * count(*) FILTER (WHERE e.status = 'negated') / count(*), 1) AS "negated, %",
       min(e.detected_at) AS first, max(e.detected_at) AS latest
  FROM eventwire.events e
 WHERE $__timeFilter(e.detected_at)
 GROUP BY e.model, e.model_version, e.model_sha256
 ORDER BY latest DESC"""

LABELS_BY_VERSION = """
SELECT e.event_type AS type, e.model || ' ' || e.model_version AS model,
       left(e.model_sha256, 12) AS weights, count(*) AS events,
       round(100.0 * count(*)
         / sum(count(*)) OVER (PARTITION BY e.model, e.model_version, e.model_sha256), 2)
         AS "share, %",
       round(avg(e.confidence)::numeric, 3) AS confidence
  FROM eventwire.events e
 WHERE $__timeFilter(e.detected_at)
 GROUP BY e.event_type, e.model, e.model_version, e.model_sha256
 ORDER BY type, model, weights"""

DRIFT = f"max by (feature) (eventwire_drift_psi{{{W}}})"


def build() -> dashboard.Dashboard:
    board = (
        parts.new(
            "Model",
            "eventwire-model",
            "What codes, its confidence, drift against the reference stored with it, and versions"
            " side by side.",
            "now-24h",
        )
        .with_variable(parts.metrics_variable())
        .with_variable(parts.database_variable())
        .with_variable(parts.instance_variable())
    )
    for panel in _panels():
        board.with_panel(panel)
    return board


def _share(outcome: str) -> str:
    return or_zero(
        f'sum(rate(eventwire_articles_total{{{W}, outcome="{outcome}"}}{RATE}))'
        f" / sum(rate(eventwire_articles_total{{{W}}}{RATE}))"
    )


def _mix(label: str) -> str:
    total = f"scalar(sum(rate(eventwire_events_total{{{W}}}{RATE})))"
    mix = f"topk({parts.SERIES}, sum by ({label}) (rate(eventwire_events_total{{{W}}}{RATE})))"
    return f"{mix} / {total} >= 0 or {mix}"


def _panels() -> list[parts.Panel]:
    # Both say zero, without a name, until a model is loaded.
    info = promql(f"sum by (name, version, sha256) (eventwire_model_info{{{W}}})"
                  " or on () vector(0)", "{{name}} {{version}} {{sha256}}")  # fmt: skip
    device = promql(f"sum by (device, precision) (eventwire_inference_info{{{W}}}) > 0"
                    " or on () vector(0)", "{{device}} {{precision}}")  # fmt: skip
    return [
        sized(gauges("Models that code", "Workers by model. More than one: a roll-out.",
                     info), 10, 5),
        sized(gauges("Device and precision", "Workers by what they compute on.",
                     device), 6, 5),
        sized(number("Characters a second", "Measured speed of the coders, together.",
                     promql(gauge("eventwire_coder_characters_per_second"))), 4, 5),
        sized(number("Largest drift", "Population stability index: from 0.1 something moved, from"
                     " 0.25 much did.", promql(or_zero(f"max({DRIFT})")),
                     warn=0.1, bad=0.25), 4, 5),
        sized(lines("Drift", "Population stability index against the reference stored with the"
                    " model, by what is compared. Replays are left out.",
                    promql(DRIFT, "{{feature}}"), promql("vector(0.25)", "alert")), 12),
        sized(parts.heat("Confidence", "Of the events that were published.", promql(
            cells("eventwire_event_confidence"), "{{le}}", format_=PromQueryFormat.HEATMAP),
            unit="percentunit"), 12),
        sized(lines("Types", f"Share of the {parts.SERIES} commonest.",
                    promql(_mix("type"), "{{type}}"), unit="percentunit"), 12),
        sized(lines("Statuses", "Share.", promql(_mix("status"), "{{status}}"),
                    unit="percentunit"), 12),
        sized(lines("Articles", "Share without an event, and in other languages.",
                    promql(_share("no_event"), "no event"),
                    promql(_share("unsupported_language"), "other language"),
                    unit="percentunit"), 8),
        sized(lines("Events an article", "Mean, and mean confidence of the events.",
                    promql(mean("eventwire_article_events"), "events"),
                    promql(mean("eventwire_event_confidence"), "confidence")), 8),
        sized(bars("Text coded", "Sentences and tokens a second.",
                   promql(rate("eventwire_sentences_total"), "sentences"),
                   promql(rate("eventwire_tokens_total"), "tokens")), 8),
        sized(parts.rows("Versions side by side", "What each has coded of what stands in the table."
                         " `eventwire compare` tells which events differ.", rows_of(VERSIONS)),
              24, 7),
        sized(parts.rows("Types by version", "A type whose share differs between versions is where"
                         " to look.", rows_of(LABELS_BY_VERSION)), 24, 10),
    ]  # fmt: skip
