"""What the tests promise of themselves, in one process as in several."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

NEEDS_PROMTOOL = (
    "test_metrics_page.py::test_prometheus_finds_no_fault_in_names_units_and_descriptions"
)


def without_programs(folder: Path, *options: str, required: str) -> tuple[int, str]:
    """Status and output of a run of one test, where nothing is on the path."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith("PYTEST")}
    kept_apart = ["-p", "no:cacheprovider", f"--basetemp={folder / 'temp'}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *kept_apart, *options, TESTS / NEEDS_PROMTOOL],
        env=clean | {"PATH": "", "EVENTWIRE_TEST_REQUIRE_BROKERS": required},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["one process", "of its own"])
def test_what_would_be_skipped_fails_where_it_is_required(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    status, said = without_programs(tmp_path, *options, required="1")
    assert status == 1, said
    assert "skipped, though brokers are required: promtool is not installed" in said
    assert re.search(r"= 1 failed\b", said.splitlines()[-1])


def test_what_is_skipped_is_told_once_with_its_reason(tmp_path: Path) -> None:
    status, said = without_programs(tmp_path, "-n1", required="")
    assert status == 0, said
    assert said.count("promtool is not installed: apt-get install prometheus") == 1
    assert re.search(r"= 1 skipped\b", said.splitlines()[-1])
