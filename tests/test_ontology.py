import re
from pathlib import Path

import pytest

from eventwire.models.ontology import STATUSES, OntologyError, ontology, parse_ontology

DESIGN = Path(__file__).parents[2] / "shared" / "design" / "ontology.md"

ROW = """
version = "1.0.0"
[types.capture]
definition = "Fighters are taken prisoner."
boundary = "Suspects are an arrest."
plover_event = "ASSAULT"
plover_mode = "abduct"
plover_score = -8.5
cameo = "181"
goldstein = -9.0
"""


def design_rows() -> list[list[str]]:
    if not DESIGN.exists():
        pytest.skip(f"{DESIGN} is not there")
    lines = DESIGN.read_text().splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"
    ]
    return rows[2:]


def test_every_row_of_the_design_is_a_type_with_the_same_codes() -> None:
    def number(cell: str) -> float | None:
        return None if cell == "null" else float(cell)

    ours = [
        (t.name, t.plover_event or "null", t.plover_mode, t.plover_score, t.cameo, t.goldstein)
        for t in ontology().types.values()
    ]
    design = []
    for name, plover, score, cameo, goldstein, _boundary in design_rows():
        event, _, mode = plover.partition("/")
        design.append((name, event, mode or None, number(score), cameo, number(goldstein)))
    assert ours == design


def test_names_keep_the_order_of_the_file_and_roots_appear_once() -> None:
    o = ontology()
    assert o.names[:3] == ("meeting", "visit", "phone_call")
    assert o.names[-1] == "decline_comment"
    assert len(o.roots) == len(set(o.roots)) == 16


def test_codes_are_strings_that_keep_their_zero() -> None:
    assert ontology().types["denial"].cameo == "016"


@pytest.mark.parametrize(
    ("name", "quad_class"),
    [("meeting", 1), ("concession", 1), ("release", 2), ("denial", 3), ("capture", 4),
     ("admission", 1), ("decline_comment", 1)],
)  # fmt: skip
def test_quad_class_follows_from_the_plover_event(name: str, quad_class: int) -> None:
    assert ontology().types[name].quad_class == quad_class


def test_the_ontology_is_loaded_once() -> None:
    assert ontology() is ontology()


def test_types_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ontology().types["capture"] = ontology().types["arrest"]  # type: ignore[index]


def test_the_five_statuses_are_those_of_the_records() -> None:
    assert STATUSES == ("occurred", "planned", "hypothetical", "alleged", "negated")


def test_no_definition_repeats_another() -> None:
    types = ontology().types.values()
    assert len({t.definition for t in types}) == len(types)


def test_a_complete_row_is_read() -> None:
    assert parse_ontology(ROW).types["capture"].plover_mode == "abduct"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('cameo = "181"', "cameo = 181", "'capture': cameo must be .* came 181"),
        ('cameo = "181"', 'cameo = "81"', "'capture': cameo must be .* came '81'"),
        ('cameo = "181"', 'cameo = "211"', "'capture': cameo must be"),
        ('cameo = "181"', "", "'capture': goldstein without cameo"),
        ('"ASSAULT"', '"ATTACK"', "'capture': plover_event must be one of .* came 'ATTACK'"),
        ("plover_score = -8.5", "", "'capture': plover_event and plover_score"),
        ('plover_event = "ASSAULT"\n', "", "'capture': plover_event and plover_score"),
        ("-8.5", "-85.0", "'capture': plover_score must be .* came -85.0"),
        ("-9.0", "nan", "'capture': goldstein must be"),
        ("-9.0", '"-9.0"', "'capture': goldstein must be"),
        ('"abduct"', '"Abduct!"', "'capture': plover_mode must be"),
        ("boundary", "bounds", "'capture': unknown key 'bounds'"),
        ('boundary = "Suspects are an arrest."', "", "'capture': boundary is missing"),
        ('"Suspects are an arrest."', '""', "'capture': boundary must be a sentence"),
        ("types.capture", "types.Capture-War", "'Capture-War': expected a name in lower_case"),
        ('version = "1.0.0"', "", "version must look like"),
        ('version = "1.0.0"', 'version = "1.0.0"\nauthor = "me"', "unknown key 'author'"),
        (ROW, 'version = "1.0.0"', "tables named"),
    ],
)
def test_a_wrong_row_is_refused_with_its_name_and_key(old: str, new: str, message: str) -> None:
    assert old in ROW
    with pytest.raises(OntologyError, match=message):
        parse_ontology(ROW.replace(old, new))


def test_a_type_given_twice_is_refused() -> None:
    row = ROW.partition("\n[")[2]
    with pytest.raises(OntologyError, match=re.escape("('types', 'capture') twice")):
        parse_ontology(f"{ROW}\n[{row}")
