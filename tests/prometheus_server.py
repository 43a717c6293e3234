"""Debian's Prometheus for tests, with the configuration and rules of deploy/prometheus."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from eventwire.streams.apache_kafka import free_ports

DEPLOYED = Path(__file__).parents[1] / "deploy" / "prometheus"

INTERVAL = "1s"
"""Between two scrapes, and two evaluations of the rules: a test does not wait for 15 s."""


def program() -> str | None:
    """None where Prometheus is not installed."""
    return shutil.which("prometheus")


def selectors(expression: str) -> set[str]:
    """What a PromQL expression takes from the store, as `up{job="eventwire-worker"}`."""
    names = r"(?:eventwire[_:]|process_|up\b)[\w:]*"
    return set(re.findall(rf'(?<![\w:"-]){names}(?:\{{[^}}]*\}})?', expression))


class PrometheusServer:
    """Runs from construction until `stop`; `targets` are addresses by the name of the job."""

    def __init__(self, folder: Path, targets: Mapping[str, str]) -> None:
        config = yaml.safe_load((DEPLOYED / "prometheus.yaml").read_text(encoding="utf-8"))
        every = ("scrape_interval", "scrape_timeout", "evaluation_interval")
        config["global"] |= dict.fromkeys(every, INTERVAL)
        jobs = config["scrape_configs"]
        assert {job["job_name"] for job in jobs} == set(targets)
        for job in jobs:
            # The names are those of containers, which no one knows here.
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        file = folder / "prometheus.yaml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        for rules in config["rule_files"]:
            shutil.copy(DEPLOYED / rules, folder)
        self._address = f"127.0.0.1:{free_ports(1)[0]}"
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program() or "prometheus",
                    f"--config.file={file}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address={self._address}",
                ],
                stdout=log,
                stderr=log,
            )
        self._await_ready()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer of the HTTP API."""
        url = f"http://{self._address}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def at(self, moment: float, expression: str) -> list[Any]:
        """Samples of an expression at a moment, in seconds since 1970."""
        found = self.ask("query", query=expression, time=moment)
        # A scalar has no labels.
        return [found] if found["resultType"] == "scalar" else list(found["result"])

    def value(self, expression: str) -> float | None:
        """Of the one sample of an expression now; None where there is none."""
        found = self.at(time.time(), expression)
        return float(found[0]["value"][1]) if found else None

    def over(self, begin: float, end: float, expression: str) -> list[float]:
        """Values of all series of an expression between two moments, a second apart."""
        found = self.ask("query_range", query=expression, start=begin, end=end, step=1)
        return [float(value) for series in found["result"] for _, value in series["values"]]

    @property
    def logged(self) -> str:
        return self._log.read_text(errors="replace")

    def _await_ready(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=10):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(f"Prometheus did not start:\n{self.logged}") from None
            time.sleep(0.1)
