"""What README and docs/ tell people to type exists, as do the files and settings that they name."""

import re
import shlex
from pathlib import Path

import pytest

from eventwire.streams import options
from eventwire.streams.settings import Settings, variable

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md", ROOT / "deploy" / "README.md", ROOT / "models" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "schemas" / "README.md",
]  # fmt: skip
RUNBOOKS = ROOT / "deploy" / "prometheus" / "alerts.yaml"


def typed(page: Path) -> list[str]:
    """Commands of eventwire in blocks of code, from `eventwire` to the end of the command."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).splitlines() + re.findall(r"^    (\S.*)$", outside, re.MULTILINE)
    found = []
    for line in lines:
        for part in re.split(r"[|>;&] ?", line.partition("  #")[0]):
            before, name, after = part.partition("eventwire ")
            if name and re.fullmatch(r"([A-Z_]+=\S+ )*", before.lstrip()):
                found.append(after.strip())
    return found


def told(page: Path) -> list[str]:
    """Commands of eventwire within sentences."""
    text = " ".join(page.read_text(encoding="utf-8").split())
    return re.findall(r"`eventwire ([a-z][^`]*)`", text)


def complaint(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the parser says against it."""
    words = shlex.split(command)
    try:
        options.parser().parse_args(words)
    except SystemExit:
        return capsys.readouterr().err.strip()
    return ""


@pytest.mark.parametrize(
    "command",
    [c for page in PAGES for c in typed(page) if not re.search(r"[\[…]|[A-Z] [A-Z]", c)],
)
def test_a_command_of_a_page_can_be_typed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(command, capsys) == ""


def test_pages_show_every_command() -> None:
    shown = {command.split()[0] for page in PAGES for command in typed(page) + told(page)}
    (commands,) = (
        action.choices for action in options.parser()._actions if action.dest == "command"
    )
    assert commands is not None
    assert set(commands) - shown == set()


@pytest.mark.parametrize("command", sorted({c for page in [*PAGES, RUNBOOKS] for c in told(page)}))
def test_a_command_that_a_sentence_names_exists_with_its_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one_of_several = re.sub(r"(\w+)\|\S+", r"\1", command)
    said = complaint(one_of_several, capsys)
    # A sentence need not say what it is of.
    left_out = r"arguments are required|expected one argument|invalid choice: '[A-Z]+'"
    assert said == "" or re.search(left_out, said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_settings_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"[`(]((?:docs|deploy|models|streams|tests)/[\w./-]+)[`)]", text)
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert missing == []
    named = set(re.findall(r"\bEVENTWIRE_[A-Z_]*[A-Z]\b", text)) - {"EVENTWIRE_NAME"}
    known = {variable(name) for name in Settings.__struct_fields__}
    unknown = {n for n in named if n not in known and n.removesuffix("_FILE") not in known}
    assert {n for n in unknown if not n.startswith("EVENTWIRE_TEST_")} == set()
