"""What the dashboards are made of: data sources, variables, queries and panels.

Queries give zero rather than nothing when nothing happens, so that a blank panel means a fault.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    geomap,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import DataqueryConfig
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef("prometheus", "${metrics}")
POSTGRESQL = DataSourceRef("grafana-postgresql-datasource", "${database}")

EVERYTHING = "__all__"
"""What the choice `All` of a variable of the SQL queries stands for."""

SERIES = 12
"""Most series in a panel."""

Panel = Any  # the builders of the SDK's panels share methods and no type
Columns = Mapping[str, Mapping[str, Any]]


# ------------------------------------------------------------------------------------- dashboards


def new(title: str, uid: str, description: str, since: str) -> dashboard.Dashboard:
    links = (
        dashboard.DashboardLink("eventwire")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["eventwire"])
        .keep_time(True)
    )
    return (
        dashboard.Dashboard(f"eventwire: {title}")
        .uid(uid)
        .description(description)
        .tags(["eventwire"])
        .time(since, "now")
        .refresh("30s")
        .timezone("utc")
        .link(links)
        .readonly()
    )


def row(title: str) -> dashboard.Row:
    return dashboard.Row(title)


# -------------------------------------------------------------------------------------- variables


def metrics_variable() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("metrics").label("Metrics").type("prometheus")


def database_variable() -> dashboard.DatasourceVariable:
    kind = "grafana-postgresql-datasource"
    return dashboard.DatasourceVariable("database").label("Database").type(kind)


def instance_variable() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("instance")
        .label("Worker")
        .datasource(PROMETHEUS)
        .query('label_values(up{job="eventwire-worker"}, instance)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def choice(
    name: str, label: str, values: Sequence[str], all_value: str
) -> dashboard.CustomVariable:
    return (
        dashboard.CustomVariable(name)
        .label(label)
        .values(",".join(values))
        .multi(True)
        .include_all(True)
        .all_value(all_value)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


# ---------------------------------------------------------------------------------------- queries


def promql(
    expression: str, legend: str = "", *, format_: PromQueryFormat | None = None
) -> prometheus.Dataquery:
    query = prometheus.Dataquery().datasource(PROMETHEUS).expr(" ".join(expression.split())).range()
    return query.legend_format(legend or "__auto").format(format_ or PromQueryFormat.TIME_SERIES)


def or_zero(expression: str) -> str:
    """Also where there is no series, and where the value is none, as 0 / 0."""
    return f"({expression}) >= 0 or vector(0)"


class SqlQuery(Dataquery):
    """A query of Grafana's PostgreSQL data source, which the SDK has no type for."""

    def __init__(self, sql: str, format_: str, ref_id: str | None = None) -> None:
        self.sql, self.format, self.ref_id = sql, format_, ref_id

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": POSTGRESQL,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
            "refId": self.ref_id or "A",
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(data["rawSql"], data["format"], data["refId"])


class SqlQueryBuilder(Builder[SqlQuery]):
    def __init__(self, sql: str, format_: str) -> None:
        self._query = SqlQuery(
            "\n".join(line.rstrip() for line in sql.strip().splitlines()), format_
        )

    def build(self) -> SqlQuery:
        return self._query


def sql_variant() -> DataqueryConfig:
    """For reading dashboards back: register it with the SDK's runtime."""
    return DataqueryConfig("grafana-postgresql-datasource", SqlQuery.from_json)


def rows_of(sql: str) -> SqlQueryBuilder:
    return SqlQueryBuilder(sql, "table")


def series_of(sql: str) -> SqlQueryBuilder:
    return SqlQueryBuilder(sql, "time_series")


# ----------------------------------------------------------------------------------------- panels


def lines(
    title: str, description: str, *queries: Builder[Any], unit: str = "short", stacked: bool = False
) -> Panel:
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .fill_opacity(50 if stacked else 10)
        .show_points(common_models.VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    return _with(panel, queries)


def bars(title: str, description: str, *queries: Builder[Any], unit: str = "short") -> Panel:
    """Stacked, over time."""
    panel = lines(title, description, *queries, unit=unit, stacked=True)
    # What falls into an interval, not a state between two.
    return panel.draw_style(common_models.GraphDrawStyle.BARS).max_data_points(120)


def number(
    title: str,
    description: str,
    query: Builder[Any],
    *,
    unit: str = "short",
    warn: float | None = None,
    bad: float | None = None,
) -> Panel:
    panel = stat.Panel().title(title).description(description).unit(unit)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    panel.graph_mode(common_models.BigValueGraphMode.NONE)
    return _with(_colored(panel, warn, bad), [query])


def gauges(title: str, description: str, *queries: Builder[Any], unit: str = "short",
           warn: float | None = None, bad: float | None = None) -> Panel:  # fmt: skip
    panel = bargauge.Panel().title(title).description(description).unit(unit).min(0)
    panel.orientation(common_models.VizOrientation.HORIZONTAL)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    return _with(_colored(panel, warn, bad), queries)


def ranking(title: str, description: str, query: Builder[Any]) -> Panel:
    """A bar a row of the query: a name and a number."""
    panel = bargauge.Panel().title(title).description(description).min(0)
    panel.orientation(common_models.VizOrientation.HORIZONTAL)
    panel.reduce_options(common.ReduceDataOptions().values(True).limit(25).calcs([]))
    return _with(panel, [query])


def heat(title: str, description: str, query: Builder[Any], *, unit: str) -> Panel:
    panel = (
        heatmap.Panel()
        .title(title)
        .description(description)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .color(heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME)
               .scheme("Oranges").steps(64).exponent(0.5).fill("dark-orange").reverse(False))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .show_value(common_models.VisibilityMode.NEVER)
    )  # fmt: skip
    return _with(panel, [query])


def rows(
    title: str, description: str, query: Builder[Any], columns: Columns | None = None
) -> Panel:
    """A table; `columns` are properties by the name of a column."""
    panel = table.Panel().title(title).description(description).filterable(True)
    for name, properties in (columns or {}).items():
        panel.override_by_name(
            name, [DynamicConfigValue(key, value) for key, value in properties.items()]
        )
    return _with(panel, [query])


def world(title: str, description: str, query: Builder[Any]) -> Panel:
    """A map; the query gives latitude, longitude and events."""
    markers = {
        "showLegend": False,
        "style": {
            "size": {"fixed": 5, "min": 4, "max": 18, "field": "events"},
            "color": {"fixed": "dark-orange"},
            "opacity": 0.6,
            "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
        },
    }
    location = (
        common.FrameGeometrySource()
        .mode(common_models.FrameGeometrySourceMode.COORDS)
        .latitude("latitude")
        .longitude("longitude")
    )
    layer = (
        common.MapLayerOptions()
        .type("markers")
        .name("places")
        .config(markers)
        .location(location)
        .tooltip(True)
    )
    panel = (
        geomap.Panel()
        .title(title)
        .description(description)
        .view(geomap.MapViewConfig().id("zero").lat(20).lon(15).zoom(1))
        .basemap(common.MapLayerOptions().type("default").name("map"))
        .layers([layer])
    )
    return _with(panel, [query])


def sized(panel: Panel, width: int, height: int = 8) -> Panel:
    """Width of 24."""
    return panel.span(width).height(height)


def _with(panel: Panel, queries: Sequence[Builder[Any]]) -> Panel:
    source = POSTGRESQL if isinstance(queries[0], SqlQueryBuilder) else PROMETHEUS
    panel.datasource(source)
    for number_, query in enumerate(queries):
        name = chr(ord("A") + number_)
        if isinstance(query, prometheus.Dataquery):
            query.ref_id(name)
        else:
            query.build().ref_id = name
        panel.with_target(query)
    return panel


def _colored(panel: Panel, warn: float | None, bad: float | None) -> Panel:
    steps = [Threshold(color="green")]
    for value, color in ((warn, "orange"), (bad, "red")):
        if value is not None:
            steps.append(Threshold(value, color))
    return panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
