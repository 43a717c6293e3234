"""What ships: the wheel, installed where nothing of this repository is in reach."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

pytestmark = pytest.mark.timeout(300)


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # from a copy: a build leaves its traces in the source tree
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("models", "streams"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignore)
    uv = Path(sys.executable).with_name("uv")
    options = ("--wheel", "--no-build-isolation", "--offline", "--python", sys.executable)
    run(uv, "build", *options, "--out-dir", source / "dist", source)
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel in it."""
    environment = tmp_path_factory.mktemp("clean") / "venv"
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--offline", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel)
    # the dependencies are borrowed from here; .pth files are not followed from there, so that this
    # repository's own editable install stays out of reach
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.fixture
def users_folder(tmp_path: Path) -> Path:
    """A folder whose owner has packages named like our folders, which must not be touched."""
    for name in ("models", "streams"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not yours')\n")
    article = {"id": "a-1", "text": "Rebels shelled the port of Aden on Monday, killing two men."}
    (tmp_path / "feed.jsonl").write_text(json.dumps(article) + "\n")
    return tmp_path


def test_the_wheel_holds_what_the_code_reads(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = ("models/corpus/*.txt", "models/enrich/data/*.t*", "models/event-coder-en/*.*")
    wanted = {
        "models/ontology.toml",
        "models/py.typed",
        "models/event-coder-en/config.json",
        "models/event-coder-en/manifest.json",
        "models/event-coder-en/model.safetensors",
        "models/event-coder-en/tokenizer.json",
        "streams/py.typed",
        "streams/sample.jsonl",
        *(str(path.relative_to(REPOSITORY)) for f in folders for path in REPOSITORY.glob(f)),
    }
    assert not {f"eventwire/{name}" for name in wanted} - set(names)


def test_the_wheel_adds_nothing_but_eventwire_to_an_environment(wheel: Path) -> None:
    top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"eventwire"}


def test_the_wheel_stays_below_the_size_of_a_release(wheel: Path) -> None:
    assert wheel.stat().st_size < 30e6


def test_an_installed_eventwire_codes_beside_a_folder_named_models(
    installed: Path, users_folder: Path
) -> None:
    done = run(installed / "eventwire", "code", "feed.jsonl", cwd=users_folder)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["event_type"] for event in events} >= {"shelling"}
    assert {event["article"]["id"] for event in events} == {"a-1"}


def test_an_installed_eventwire_comes_from_its_own_environment(
    installed: Path, users_folder: Path
) -> None:
    code = "import eventwire.models.ontology as m; print(m.__file__, len(m.ontology().names))"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = run(installed / "python", "-c", code, cwd=users_folder, env=environment)
    path, types = done.stdout.split()
    assert Path(path).is_relative_to(installed.parent)
    assert types == "57"
