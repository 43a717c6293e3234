import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import no_broker
from metric_names import asked_for, exposed

FOLDER = Path(__file__).parents[1] / "deploy" / "prometheus"
ALERTS, STORIES, WEEKS, CONFIG = (
    FOLDER / f"{name}.yaml" for name in ("alerts", "alerts.test", "alerts.weeks.test", "prometheus")
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def promtool(*arguments: str | Path) -> None:
    if shutil.which("promtool") is None:
        no_broker("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_its_configuration_and_the_rules() -> None:
    promtool("check", "config", CONFIG)


def test_the_rules_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", STORIES)
    promtool("test", "rules", WEEKS)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_fires_in_some_story_and_says_what_to_do(alert: dict[str, Any]) -> None:
    stories = yaml.safe_load(STORIES.read_text(encoding="utf-8"))["tests"]
    expected = [
        sample["labels"]
        for story in stories
        for test in story["promql_expr_test"]
        for sample in test["exp_samples"]
    ]
    assert any(f'alertname="{alert["alert"]}"' in labels for labels in expected)
    assert alert["labels"]["severity"] in ("page", "ticket")
    texts = alert["annotations"]
    assert {"summary", "description", "runbook"} == set(texts)
    assert len(texts["summary"].splitlines()) == 1
    assert re.match(r"1\. |As Eventwire\w+", texts["runbook"])


def test_runbooks_refer_to_alerts_that_exist() -> None:
    named = set(re.findall(r"Eventwire\w+", ALERTS.read_text(encoding="utf-8")))
    assert named == {alert["alert"] for alert in alerts()}


def test_every_series_of_the_rules_is_counted_by_the_code() -> None:
    wanted = set().union(*(asked_for(rule["expr"]) for rule in rules()))
    assert wanted - exposed() == set()


def test_recorded_series_are_recorded_before_they_are_asked_for() -> None:
    recorded: set[str] = set()
    for rule in rules():
        assert set(re.findall(r"eventwire:[\w:]+", rule["expr"])) <= recorded
        recorded |= {rule["record"]} if "record" in rule else set()


def test_settings_that_runbooks_name_exist() -> None:
    from eventwire.streams.settings import Settings, variable

    known = {variable(name) for name in Settings.__struct_fields__}
    assert set(re.findall(r"EVENTWIRE_\w+", ALERTS.read_text(encoding="utf-8"))) <= known
