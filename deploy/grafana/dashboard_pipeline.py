"""The dashboard "Pipeline", for the engineer: does it keep up, how late is it, what fails."""

import dashboard_parts as parts
from dashboard_parts import lines, number, or_zero, promql, sized
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from eventwire.models.ontology import ontology

W = 'job="eventwire-worker", instance=~"$instance"'
S = 'job="eventwire-sink"'
RATE = "[$__rate_interval]"


def rate(series: str, labels: str = W, by: str = "") -> str:
    """A second, summed, or by a label of which all values exist from the start."""
    total = f"sum{f' by ({by}) ' if by else ''}(rate({series}{{{labels}}}{RATE}))"
    return total if by else or_zero(total)


def mean(histogram: str, labels: str = W, by: str = "") -> str:
    group = f" by ({by}) " if by else ""
    quotient = (
        f"sum{group}(rate({histogram}_sum{{{labels}}}{RATE}))"
        f" / sum{group}(rate({histogram}_count{{{labels}}}{RATE}))"
    )
    if not by:
        return or_zero(quotient)
    # 0 / 0 of what did not happen is no number, and the zero has to have the label.
    zeros = f"0 * sum{group}(rate({histogram}_count{{{labels}}}{RATE}))"
    return f"({quotient}) >= 0 or {zeros}"


def quantile(q: float, histogram: str, labels: str = W) -> str:
    return or_zero(
        f"histogram_quantile({q}, sum by (le) (rate({histogram}_bucket{{{labels}}}{RATE})))"
    )


def cells(histogram: str, labels: str = W) -> str:
    """For a heatmap."""
    return f"sum by (le) (increase({histogram}_bucket{{{labels}}}{RATE}))"


def gauge(series: str, how: str = "sum", labels: str = W) -> str:
    return or_zero(f"{how}({series}{{{labels}}})")


RECEIVED, PUBLISHED = (f'{W}, since="{since}"' for since in ("received", "published"))
WITHIN = f"""
(sum(rate(eventwire_latency_seconds_bucket{{{RECEIVED}, le="10.0"}}[1h]))
 / sum(rate(eventwire_latency_seconds_count{{{RECEIVED}}}[1h]))) >= 0 or vector(1)"""


def build() -> dashboard.Dashboard:
    board = (
        parts.new(
            "Pipeline",
            "eventwire-pipeline",
            "Throughput, lag, latency and faults of the workers and of the sink.",
            "now-3h",
        )
        .with_variable(parts.metrics_variable())
        .with_variable(parts.instance_variable())
        .with_variable(parts.choice("type", "Type", ontology().names, ".*"))
    )
    for title, panels in _rows().items():
        board.with_row(parts.row(title))
        for panel in panels:
            board.with_panel(panel)
    return board


def _rows() -> dict[str, list[parts.Panel]]:
    return {
        "Now": [
            sized(number("Workers", "That answer.",
                         promql(or_zero('sum(up{job="eventwire-worker"})'))), 4, 4),
            sized(number("Articles a second", "Read and done with, whatever became of them.",
                         promql(rate("eventwire_articles_total"))), 4, 4),
            sized(number("Lag", "How long the oldest article has waited.",
                         promql(or_zero(f"max(eventwire_lag_seconds{{{W}}})")), unit="s",
                         warn=120, bad=900), 4, 4),
            sized(number("Within 10 s", "Of the last hour's articles of live news; the objective is"
                         " 99 %.", promql(WITHIN), unit="percentunit"), 4, 4),
            sized(number("Dead letters", "In the last hour.", promql(or_zero(
                f"sum(increase(eventwire_dead_letters_total{{{W}}}[1h]))")), bad=0.5), 4, 4),
            sized(number("Kafka", "1 while every worker hears it.",
                         promql(gauge("eventwire_kafka_answers", "min"))), 4, 4),
        ],
        "Throughput": [
            sized(lines("Articles", "A second, by what became of them.",
                        promql(rate("eventwire_articles_total", by="outcome"), "{{outcome}}"),
                        promql(rate("eventwire_tombstones_total"), "null values skipped"),
                        stacked=True), 8),
            sized(lines("Events", "A second, the commonest of the chosen types; taken back by"
                        " corrections; not published for their confidence.", promql(
                            f"topk({parts.SERIES}, sum by (type) (rate(eventwire_events_total"
                            f'{{{W}, type=~"$type"}}{RATE})))', "{{type}}"),
                        promql(rate("eventwire_events_retracted_total"), "taken back"),
                        promql(rate("eventwire_events_below_confidence_total"), "below confidence"),
                        ), 8),
            sized(lines("Received", "Bytes of messages.",
                        promql(rate("eventwire_received_bytes_total"), "bytes"), unit="Bps"), 8),
        ],
        "Lag": [
            sized(lines("Lag in seconds", "How long the oldest article of each partition has"
                        " waited.", promql(
                            f"clamp_min(max by (partition) (eventwire_lag_seconds{{{W}}}), 0)",
                            "{{partition}}"), promql("vector(120)", "alert"), unit="s"), 8),
            sized(lines("Lag in articles", "Not committed yet, by partition.", promql(
                f"clamp_min(max by (partition) (eventwire_lag_messages{{{W}}}), 0)",
                "{{partition}}")), 8),
            sized(lines("Queue and group", "Articles read and not coded yet; partitions without a"
                        " commit; partitions that end before what was committed.",
                        promql(gauge("eventwire_queue_articles"), "queue"),
                        promql(gauge("eventwire_partition_without_commit"), "no commit yet"),
                        promql(gauge("eventwire_committed_beyond_end"), "beyond the end")), 8),
        ],
        "Latency": [
            sized(parts.heat("From receipt to the topic", "Articles of live news. Replays are left"
                             " out.", promql(cells("eventwire_latency_seconds", RECEIVED), "{{le}}",
                                             format_=PromQueryFormat.HEATMAP), unit="s"), 12),
            sized(lines("Quantiles", "Since receipt: half, 95 % and 99 % of the articles are"
                        " faster. Since publication: half.", *(
                            promql(quantile(q, "eventwire_latency_seconds", RECEIVED), f"{q:.0%}")
                            for q in (0.5, 0.95, 0.99)),
                        promql(quantile(0.5, "eventwire_latency_seconds", PUBLISHED),
                               "50% since publication"), unit="s"), 12),
        ],
        "Stages": [
            sized(lines("Where the time goes", "Seconds of work a second, by stage.",
                        promql(rate("eventwire_stage_seconds_sum", f'{W}, stage!="code"',
                                    by="stage"), "{{stage}}"), stacked=True), 8),
            sized(lines("Time per stage", "Mean: of a message to decode, of a batch all others."
                        " code is the whole time with the coder, of which language, split,"
                        " tokenise, encode, spans and enrich are parts.",
                        promql(mean("eventwire_stage_seconds", by="stage"), "{{stage}}"),
                        unit="s"), 8),
            sized(lines("Batches", "Articles in a batch; share of the computed tokens that is"
                        " padding.", promql(mean("eventwire_batch_articles"), "articles"),
                        promql(f"100 * ({mean('eventwire_padding_ratio')})", "padding, %")), 8),
        ],
        "Faults": [
            sized(lines("Dead letters", "In each interval, by reason.", promql(
                f"sum by (reason) (increase(eventwire_dead_letters_total{{{W}}}{RATE}))",
                "{{reason}}"), stacked=True), 8),
            sized(lines("Coder", "Processes that had to be replaced, in each interval; characters"
                        " of articles that no window has read.",
                        promql(or_zero(f"sum(increase(eventwire_coder_restarts_total{{{W}}}{RATE}))"),
                               "replaced"),
                        promql(or_zero(
                            f"sum(increase(eventwire_skipped_characters_total{{{W}}}{RATE}))"),
                            "characters not read")), 8),
            sized(lines("Group", "Commits a second; rebalances in each interval.",
                        promql(rate("eventwire_commits_total"), "commits"),
                        promql(or_zero(f"sum(increase(eventwire_rebalances_total{{{W}}}{RATE}))"),
                               "rebalances")), 8),
        ],
        "Process": [
            sized(lines("Memory", "Resident: of each worker, and of the process of its coder.",
                        promql(f"max by (instance) (process_resident_memory_bytes{{{W}}})",
                               "{{instance}}"),
                        promql("max by (instance)"
                               f" (eventwire_coder_resident_memory_bytes{{{W}}})",
                               "{{instance}}, coder"), unit="bytes"), 8),
            sized(lines("CPU", "Cores in use by the worker's own process; the coder is another.",
                        promql(f"sum by (instance) (rate(process_cpu_seconds_total{{{W}}}{RATE}))",
                               "{{instance}}")), 8),
            sized(lines("Ledger", "Articles it remembers, and how many it can.",
                        promql(gauge("eventwire_ledger_entries"), "entries"),
                        promql(gauge("eventwire_ledger_entries_limit"), "limit")), 8),
        ],
        "Sink": [
            sized(lines("Records", "A second, by what they did to the table.", promql(
                rate("eventwire_sink_records_total", S, by="outcome"), "{{outcome}}"),
                stacked=True), 8),
            sized(lines("Lag", "Records not stored yet.", promql(
                gauge("eventwire_sink_lag_messages", labels=S), "records"),
                promql(gauge("eventwire_sink_database_up", "max", S), "a sink writes")), 8),
            sized(lines("Transactions", "Of a batch: half and 95 % are faster.", *(
                promql(quantile(q, "eventwire_sink_transaction_seconds", S), f"{q:.0%}")
                for q in (0.5, 0.95)), unit="s"), 8),
        ],
    }  # fmt: skip
