"""Annotated sentences: the ones written for this project, and gold files in JSON lines.

Our own corpus (corpus/*.txt) is in a form that people can read and edit. Blocks stand between blank
lines; a line that starts with # is a comment; the first line of a block is the sentence, the others
are its events, or a single `-` where it reports none:

    Leaders met in Oslo on Monday, and Oslo denied that they had quarrelled in private.
      meeting: met | actor: Leaders | place: Oslo | time: Monday
      denial: denied | actor: Oslo#2

Each event is `type (status): trigger`, the status left out where it is `occurred`, then the fields
that have something to say. Every string is found in the sentence as whole words; `#2` means its
second occurrence.

A gold file holds one AnnotatedSentence a line, as JSON; offsets count code points, end exclusive.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from eventwire.models.ontology import STATUSES, ontology

CORPUS = Path(__file__).with_name("corpus")
"""Folder of the sentences written for this project."""

STANDOFF = CORPUS / "unlabelled.standoff.jsonl"
"""Our annotations of sentences of ../shared/data/unlabelled.jsonl.gz, without their texts."""

FEED_STANDOFF = CORPUS / "guardian.standoff.jsonl"
"""The same of ../shared/feeds/guardian.jsonl."""

ROLES = ("actor", "target", "place", "time", "source")
"""Fields of an event that hold any number of spans."""


class AnnotationError(ValueError):
    """A corpus or gold file is not as it must be: `file:line: what was expected, what came`."""


class AnnotatedEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    status: str
    trigger: tuple[int, int]
    actor: list[tuple[int, int]] = []
    target: list[tuple[int, int]] = []
    place: list[tuple[int, int]] = []
    time: list[tuple[int, int]] = []
    source: list[tuple[int, int]] = []


class AnnotatedSentence(msgspec.Struct, frozen=True):
    id: str
    """In our corpus the file's stem and the line, `talks:17`."""
    text: str
    events: list[AnnotatedEvent]


def read_corpus(path: Path = CORPUS) -> list[AnnotatedSentence]:
    """Sentences of one corpus file, or of every *.txt in a folder, in order of name.

    Raises AnnotationError at the first line that does not fit, also where a sentence is repeated.
    """
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise AnnotationError(f"{path}: expected corpus files (*.txt), came none")
    sentences = []
    seen: dict[str, str] = {}
    for file in files:
        for (number, text), *lines in _blocks(file):
            where = f"{file}:{number}"
            if text in seen:
                raise AnnotationError(f"{where}: this sentence is already at {seen[text]}")
            seen[text] = where
            events = _events(file, number, text, lines)
            sentences.append(AnnotatedSentence(f"{file.stem}:{number}", text, events))
    return sentences


def read_gold(path: Path) -> list[AnnotatedSentence]:
    """Sentences of a file of JSON lines; raises AnnotationError naming line and field."""
    decoder = msgspec.json.Decoder(AnnotatedSentence)
    sentences = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            where = f"{path}:{number}"
            try:
                sentence = decoder.decode(line)
            except (ValueError, RecursionError) as error:
                raise AnnotationError(
                    f"{where}: expected an annotated sentence: {error}"
                ) from error
            _check(where, sentence)
            sentences.append(sentence)
    return sentences


def read_standoff(path: Path, texts: Path) -> list[AnnotatedSentence]:
    """Annotations of sentences that are not ours to publish, joined with their texts.

    `path` has a JSON object a line: id, sha256 (of the text, its first 16 digits) and events;
    `texts` is JSON lines of id and text, gzipped or not: of the sentences, or where `within` says
    which part it is, of the articles that the ids name up to their last hyphen. Raises
    AnnotationError where a text is missing or is not the one that was annotated.
    """
    try:
        wanted = msgspec.json.Decoder(_StandOff).decode_lines(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}: expected stand-off annotations: {error}") from error
    ids = {each.text_id for each in wanted}
    try:
        with gzip.open(texts) if texts.suffix == ".gz" else texts.open("rb") as lines:
            decoder = msgspec.json.Decoder(_Text)
            found = {each.id: each.text for each in map(decoder.decode, lines) if each.id in ids}
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise AnnotationError(f"{texts}: expected JSON lines of texts: {error}") from error
    sentences = []
    for number, each in enumerate(wanted, 1):
        text = found.get(each.text_id, "")[slice(*each.within or (None,))]
        if sha256(text.encode()).hexdigest()[:16] != each.sha256:
            raise AnnotationError(f"{path}:{number}: {texts} has another text for {each.id!r}")
        sentence = AnnotatedSentence(each.id, text, each.events)
        _check(f"{path}:{number}", sentence)
        sentences.append(sentence)
    return sentences


class _StandOff(msgspec.Struct, frozen=True):
    id: str
    sha256: str
    events: list[AnnotatedEvent]
    within: tuple[int, int] | None = None

    @property
    def text_id(self) -> str:
        return self.id.rpartition("-")[0] if self.within else self.id


class _Text(msgspec.Struct, frozen=True):
    id: str
    text: str


def find(text: str, quoted: str) -> tuple[int, int] | None:
    """Where `quoted` stands in `text` as whole words; `words#2` asks for the second occurrence."""
    words, nth = quoted, 1
    if marked := re.fullmatch(r"(.+)#([1-9][0-9]*)", quoted):
        words, nth = marked[1], int(marked[2])
    # "he" is not in "the": where the words begin or end with a letter or digit, none may touch it
    before = r"(?<![^\W_])" if words[:1].isalnum() else ""
    after = r"(?![^\W_])" if words[-1:].isalnum() else ""
    # the lookahead finds overlapping occurrences too
    for n, match in enumerate(re.finditer(f"{before}(?=({re.escape(words)}){after})", text), 1):
        if n == nth and words:
            return match.span(1)
    return None


def read_text(path: Path) -> str:
    """Of a file in UTF-8; raises AnnotationError where it is none."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        came = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        raise AnnotationError(f"{path}: expected text in UTF-8, came {came}") from error


def _blocks(file: Path) -> Iterator[list[tuple[int, str]]]:
    """Blocks between blank lines, each a list of numbered lines, without the comments."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if line.startswith("#"):
            continue
        if line.strip():
            block.append((number, line.rstrip()))
        elif block:
            yield block
            block = []
    if block:
        yield block


_EVENT = re.compile(r"  (\w+)(?: \((\w+)\))?: (.+)")


def _events(
    file: Path, number: int, text: str, lines: list[tuple[int, str]]
) -> list[AnnotatedEvent]:
    """Events of the block whose sentence is `text`, on line `number`."""
    if text[0].isspace():
        raise AnnotationError(f"{file}:{number}: expected a sentence, came {text!r}")
    if not lines:
        raise AnnotationError(f"{file}:{number}: expected events after it, or '  -' for none")
    if [line for _, line in lines] == ["  -"]:
        return []
    return [_event(f"{file}:{number}", text, line) for number, line in lines]


def _event(where: str, text: str, line: str) -> AnnotatedEvent:
    match = _EVENT.fullmatch(line)
    if not match:
        raise AnnotationError(f"{where}: expected '  type (status): trigger | …', came {line!r}")
    kind, status, rest = match[1], match[2] or "occurred", match[3]
    _check_labels(where, kind, status)
    trigger, *fields = rest.split(" | ")
    roles: dict[str, list[tuple[int, int]]] = {}
    for field in fields:
        role, _, phrases = field.partition(": ")
        if role not in ROLES:
            raise AnnotationError(f"{where}: expected one of {', '.join(ROLES)}, came {field!r}")
        if role in roles:
            raise AnnotationError(f"{where}: {role} is given twice")
        roles[role] = [_find(where, role, text, phrase) for phrase in phrases.split("; ")]
    return AnnotatedEvent(kind, status, _find(where, "trigger", text, trigger), **roles)


def _find(where: str, role: str, text: str, phrase: str) -> tuple[int, int]:
    span = find(text, phrase)
    if span is None:
        raise AnnotationError(f"{where}: {role} must be words of {text!r}, came {phrase!r}")
    return span


def _check(where: str, sentence: AnnotatedSentence) -> None:
    """Labels exist and offsets lie in the text, around words and not the space beside them."""
    for n, event in enumerate(sentence.events):
        _check_labels(f"{where}: events[{n}]", event.type, event.status)
        spans = [("trigger", event.trigger)]
        spans += [(role, span) for role in ROLES for span in getattr(event, role)]
        for role, (start, end) in spans:
            words = sentence.text[start:end] if 0 <= start < end <= len(sentence.text) else ""
            if not words or words != words.strip():
                raise AnnotationError(
                    f"{where}: events[{n}].{role}: expected offsets around words of a text of "
                    f"{len(sentence.text)} characters, came [{start}, {end}]"
                )


def _check_labels(where: str, kind: str, status: str) -> None:
    if kind not in ontology().types:
        raise AnnotationError(f"{where}: expected a type of the ontology, came {kind!r}")
    if status not in STATUSES:
        raise AnnotationError(f"{where}: expected one of {', '.join(STATUSES)}, came {status!r}")
