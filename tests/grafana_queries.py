"""What Grafana makes of the queries of deploy/grafana before it sends them, for tests."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"

NAMES = sorted(path.name for path in FOLDER.glob("*.json"))


class Query(NamedTuple):
    where: str
    """Dashboard, row if there are rows, panel and letter, as in `pipeline.json/Faults/Coder/A`."""
    text: str
    panel: str
    """Kind of panel."""
    format: str

    def __str__(self) -> str:
        return self.where


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return loaded


def panels(name: str) -> Iterator[dict[str, Any]]:
    """Without rows."""
    yield from (panel for _, panel in _placed(name))


def _placed(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Panels, each with its path."""
    path = name
    for panel in document(name)["panels"]:
        if panel["type"] == "row":
            path = f"{name}/{panel['title']}"
        else:
            yield f"{path}/{panel['title']}", panel


def queries(key: str) -> list[Query]:
    """Of all dashboards; key is `expr` for PromQL and `rawSql` for SQL."""
    return [
        Query(f"{path}/{target['refId']}", target[key], panel["type"], target["format"])
        for name in NAMES
        for path, panel in _placed(name)
        for target in panel["targets"]
        if key in target
    ]


def promql(expression: str, *, instance: str = ".*", type_: str = ".*") -> str:
    values = {"$__rate_interval": "1m", "$instance": instance, "$type": type_}
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


def sql(
    text: str,
    since: datetime,
    until: datetime,
    *,
    interval_seconds: float = 3600,
    chosen: Mapping[str, Sequence[str]] | None = None,
    confidence: str = "0",
) -> str:
    """Variables that are not in `chosen` stand at `All`, which is sent as it is written."""
    everything = "'__all__'"

    def values(match: re.Match[str]) -> str:
        given = (chosen or {}).get(match[1])
        if given is None:
            return everything
        return ",".join("'" + value.replace("'", "''") + "'" for value in given)

    start, end = (f"'{time.isoformat().replace('+00:00', 'Z')}'" for time in (since, until))
    text = re.sub(r"\$\{(\w+):sqlstring\}", values, text)
    text = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN {start} AND {end}", text)
    text = text.replace("$__timeFrom()", start).replace("$__timeTo()", end)
    text = text.replace("$__interval_ms", str(int(interval_seconds * 1000)))
    text = text.replace("$confidence", confidence)
    assert "$" not in text, text
    return text
