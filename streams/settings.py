"""Every setting of eventwire, with its type, limits, default and one sentence.

A setting `name` is read from the variable EVENTWIRE_NAME; the command line wins over the
environment, the environment over the default. Add one as a field of `Settings`; nothing else is
needed. A `Secret` also comes from a file, EVENTWIRE_NAME_FILE, and never from an argument.
"""

import difflib
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, inspect

from eventwire.models.ontology import ontology
from eventwire.models.seam import Limits
from eventwire.streams.decode import MAX_HEADER_BYTES, MAX_HEADERS

PREFIX = "EVENTWIRE_"

DEAD_LETTER_ROOM = 1_048_576
"""Bytes by which records we write may exceed an article: its headers, reason and origin."""


class SettingsError(ValueError):
    """A setting is unknown or wrong; the message is one line that names it."""


class Secret:
    """A string that shows itself only when asked."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Made by `load` from strings; tests may also pass values of the declared types."""

    brokers: Annotated[
        str, Meta(description="Kafka bootstrap servers: host:port, comma-separated.")
    ] = "127.0.0.1:9092"
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="How to talk to the brokers."),
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        Meta(description="SASL mechanism, where the protocol has SASL."),
    ] = "SCRAM-SHA-512"
    sasl_user: Annotated[str, Meta(description="SASL user.")] | None = None
    sasl_password: Annotated[Secret, Meta(description="SASL password.")] | None = None
    ssl_ca_file: (
        Annotated[
            Path,
            Meta(description="CA certificates (PEM) that vouch for the brokers; unset: system's."),
        ]
        | None
    ) = None
    ssl_cert_file: Annotated[Path, Meta(description="Client certificate (PEM).")] | None = None
    ssl_key_file: Annotated[Path, Meta(description="Key of that certificate (PEM).")] | None = None
    ssl_key_password: (
        Annotated[Secret, Meta(description="Password of that key, if it has one.")] | None
    ) = None
    connect_timeout: Annotated[
        float, Meta(gt=0, le=600, description="Seconds to wait for the brokers' first answer.")
    ] = 10.0

    topic_prefix: Annotated[str, Meta(description="Put before every topic's name.")] = ""
    articles_topic: (
        Annotated[
            str, Meta(description="Whole name of the articles topic; unset: news.articles.v1.")
        ]
        | None
    ) = None
    partitions: Annotated[
        int, Meta(ge=1, le=10_000, description="Partitions of the topics that eventwire creates.")
    ] = 4
    replication: (
        Annotated[
            int,
            Meta(ge=1, le=100, description="Replicas of those topics; unset: as the broker likes."),
        ]
        | None
    ) = None
    # Articles beyond a limit become dead letters; the description names their reason.
    article_max_bytes: Annotated[
        int,
        Meta(
            ge=1_000,
            le=500_000_000,
            description="Largest record of the articles topic, bytes (too_large).",
        ),
    ] = 1_048_576
    article_max_headers: Annotated[
        int, Meta(ge=0, le=10_000, description="Most headers of an article (too_many_headers).")
    ] = MAX_HEADERS
    article_max_header_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Largest headers of an article, bytes together (headers_too_large).",
        ),
    ] = MAX_HEADER_BYTES
    article_max_sentences: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="Most sentences of an article (too_many_sentences)."),
    ] = Limits().sentences
    article_max_sentence_tokens: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Longest sentence of an article, tokens (sentence_too_long).",
        ),
    ] = Limits().sentence_tokens
    article_max_events: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most events of an article (too_many_events).")
    ] = Limits().events
    routed_types: Annotated[
        tuple[str, ...],
        Meta(description="Event types that also get a topic of their own, comma-separated."),
    ] = ("capture", "summons", "denial")
    group: Annotated[
        str, Meta(min_length=1, max_length=200, description="Consumer group of the workers.")
    ] = "eventwire"
    min_confidence: Annotated[
        float, Meta(ge=0, le=1, description="Events below this probability are not published.")
    ] = 0.5

    coder: Annotated[
        str,
        Meta(
            description="What codes the articles, as module:function; the child process calls it."
        ),
    ] = "eventwire.models.coder:load_coder"
    model: (
        Annotated[Path, Meta(description="Folder of the model; unset: the one that ships.")] | None
    ) = None
    coder_threads: (
        Annotated[
            int, Meta(ge=1, le=1024, description="CPU threads of the coder; unset: one a core.")
        ]
        | None
    ) = None
    coder_start_timeout: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds the model may take to load and warm up.")
    ] = 300.0
    coder_timeout: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds a batch may take beyond ten times its estimate."),
    ] = 60.0
    batch_seconds: Annotated[
        float, Meta(gt=0, le=60, description="Estimated work of a batch of articles, seconds.")
    ] = 4.0
    linger: Annotated[
        float,
        Meta(ge=0, le=10, description="Seconds an article waits for others to join its batch."),
    ] = 0.05
    ledger_entries: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000_000,
            description="Coded articles a worker remembers, about 400 bytes each; one with dozens"
            " of events counts as several.",
        ),
    ] = 100_000
    publish_timeout: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Seconds to go on trying to publish, or to read the ledger, while Kafka"
            " answers, before the worker stops.",
        ),
    ] = 300.0
    session_timeout: Annotated[
        float,
        Meta(ge=1, le=1800, description="Seconds of silence after which a worker counts as dead."),
    ] = 10.0
    heartbeat: Annotated[
        float,
        Meta(gt=0, le=600, description="Seconds between a worker's signs of life to the group."),
    ] = 2.5
    http_host: Annotated[
        str, Meta(min_length=1, description="Address of the worker's /metrics and /health.")
    ] = "127.0.0.1"
    http_port: Annotated[
        int, Meta(ge=0, le=65_535, description="Port of /metrics and /health; 0: a free one.")
    ] = 9464
    sink_password: (
        Annotated[Secret, Meta(description="PostgreSQL password of `eventwire sink`.")] | None
    ) = None
    sink_http_port: Annotated[
        int,
        Meta(ge=0, le=65_535, description="Port of the sink's /metrics; 0: a free one."),
    ] = 9465
    progress_timeout: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Seconds without a commit, while articles wait, to be called dead.",
        ),
    ] = 600.0
    shutdown_timeout: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds to finish and commit after being told to stop."),
    ] = 20.0

    log_format: Annotated[
        Literal["text", "json"], Meta(description="Logs on stderr, for people or as JSON lines.")
    ] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least level that is logged."),
    ] = "info"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w+(\.\w+)*:\w+", self.coder):
            raise _wrong(variable("coder"), "module:function", self.coder)
        for address in self.broker_list:
            if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}", address):
                raise _wrong(variable("brokers"), "host:port, comma-separated", self.brokers)
        # What Kafka allows in a topic's name; 249 is its limit, our longest own name has 45.
        if not re.fullmatch(r"[A-Za-z0-9._-]{0,200}", self.topic_prefix):
            raise _wrong(
                variable("topic_prefix"),
                "up to 200 letters, digits, '.', '_' and '-'",
                self.topic_prefix,
            )
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", self.articles_topic or "a"):
            raise _wrong(
                variable("articles_topic"),
                "up to 249 letters, digits, '.', '_' and '-'",
                self.articles_topic or "",
            )
        for event_type in self.routed_types:
            if event_type not in ontology().types:
                near = difflib.get_close_matches(event_type, ontology().names, n=1)
                raise SettingsError(
                    f"{variable('routed_types')}: unknown event type {event_type!r}"
                    + (f"; did you mean {near[0]}?" if near else "")
                )
        if self.security_protocol.startswith("SASL"):
            for name in ("sasl_user", "sasl_password"):
                if getattr(self, name) is None:
                    raise SettingsError(
                        f"{variable(name)}: expected a value, since "
                        f"{variable('security_protocol')} is {self.security_protocol}"
                    )
        if self.heartbeat >= self.session_timeout:
            raise SettingsError(
                f"{variable('heartbeat')}: expected less than {variable('session_timeout')}, "
                f"{self.session_timeout:g}, got {self.heartbeat:g}"
            )
        if (self.ssl_cert_file is None) != (self.ssl_key_file is None):
            raise SettingsError(
                f"{variable('ssl_cert_file')} and {variable('ssl_key_file')}: expected both or none"
            )

    @property
    def broker_list(self) -> list[str]:
        return [address.strip() for address in self.brokers.split(",")]

    @property
    def coder_options(self) -> dict[str, Any]:
        """Keywords that `coder` is called with."""
        limits = Limits(
            sentences=self.article_max_sentences,
            sentence_tokens=self.article_max_sentence_tokens,
            events=self.article_max_events,
        )
        return {
            "model": str(self.model) if self.model else None,
            "threads": self.coder_threads,
            "limits": msgspec.structs.asdict(limits),
        }

    @property
    def output_max_bytes(self) -> int:
        """Largest record of the topics we write: dead letters hold an article and more."""
        return self.article_max_bytes + DEAD_LETTER_ROOM


class Explained(NamedTuple):
    """A setting as `eventwire config` shows it."""

    name: str
    variable: str
    value: str
    """Masked if secret; empty if unset."""
    origin: str
    """command line, environment or default; of a secret in a file EVENTWIRE_NAME_FILE and its
    path."""
    description: str


def load(environment: Mapping[str, str], command_line: Mapping[str, str] | None = None) -> Settings:
    """Settings from variables and `name: value` strings; raises SettingsError."""
    return _read(environment, command_line or {})[0]


def explain(
    environment: Mapping[str, str], command_line: Mapping[str, str] | None = None
) -> list[Explained]:
    settings, origins = _read(environment, command_line or {})
    return [
        Explained(
            name,
            variable(name),
            _shown(getattr(settings, name)),
            origins.get(name, "default"),
            description(name),
        )
        for name in Settings.__struct_fields__
    ]


def to_environment(settings: Settings) -> dict[str, str]:
    """Variables that give a child process the same settings; secrets are in plain text."""
    values = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    return {
        variable(name): value.reveal() if isinstance(value, Secret) else _shown(value)
        for name, value in values.items()
    }


def variable(name: str) -> str:
    return PREFIX + name.upper()


def description(name: str) -> str:
    return _field(name).description


# What Kubernetes gives every container of a namespace with a Service called eventwire, or
# eventwire-something (enableServiceLinks). Told from our own and from typos by the value as well:
# EVENTWIRE_HTTP_PORT is ours, and tcp://10.96.0.7:9464 in it comes from a Service eventwire-http.
_SERVICE_LINKS = tuple(
    (re.compile(rf"EVENTWIRE(_[A-Z0-9_]+)?_{name}"), re.compile(value))
    for name, value in (
        (r"SERVICE_HOST", r"[0-9a-fA-F.:]+"),
        (r"SERVICE_PORT(_[A-Z0-9_]+)?", r"\d{1,5}"),
        (r"PORT(_\d{1,5}_(TCP|UDP|SCTP))?", r"(tcp|udp|sctp)://[0-9a-fA-F.:\[\]]+:\d{1,5}"),
        (r"PORT_\d{1,5}_(TCP|UDP|SCTP)_PROTO", r"tcp|udp|sctp"),
        (r"PORT_\d{1,5}_(TCP|UDP|SCTP)_PORT", r"\d{1,5}"),
        (r"PORT_\d{1,5}_(TCP|UDP|SCTP)_ADDR", r"[0-9a-fA-F.:]+"),
    )
)


def _is_service_link(name: str, value: str) -> bool:
    return any(n.fullmatch(name) and v.fullmatch(value) for n, v in _SERVICE_LINKS)


def _read(
    environment: Mapping[str, str], command_line: Mapping[str, str]
) -> tuple[Settings, dict[str, str]]:
    names = set(Settings.__struct_fields__)
    files = {f"{name}_file": name for name in names if _is_secret(name)}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    from_file: set[str] = set()

    given = [
        (key.removeprefix(PREFIX).lower(), key, text, "environment")
        for key, text in environment.items()
        if key.startswith(PREFIX) and not _is_service_link(key, text)
    ] + [(name, name, text, "command line") for name, text in command_line.items()]
    for name, said, text, origin in given:
        if name in files:
            target = files[name]
            if origins.get(target) == origin:
                raise SettingsError(f"{said}: expected it or {variable(target)}, got both")
            values[target] = _secret_file(said, text)
            origins[target] = f"{variable(name)} {text}"
            from_file.add(target)
        elif name not in names:
            near = _nearest(name, names | set(files))
            if near and origin == "environment":
                near = variable(near)
            hint = f"did you mean {near}?" if near else "`eventwire config` lists all"
            raise SettingsError(f"{said}: unknown setting; {hint}")
        elif _is_secret(name) and origin == "command line":
            raise SettingsError(
                f"{said}: a secret is never read from an argument, which others on the machine "
                f"can see; set {variable(name)} or {variable(name)}_FILE"
            )
        elif name in from_file:
            raise SettingsError(f"{said}: expected it or {said}_FILE, got both")
        else:
            values[name], origins[name] = _parse(name, said, text), origin
    return Settings(**values), origins


def _parse(name: str, said: str, text: str) -> Any:
    kind, _, optional = _field(name)
    if optional and not text:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        value = msgspec.convert(
            parts if isinstance(kind, inspect.VarTupleType) else text,
            Settings.__annotations__[name],
            strict=False,
            dec_hook=lambda type_, value: type_(value),  # Path and Secret
        )
    except msgspec.ValidationError:
        raise _wrong(said, _expected(kind), text) from None
    if isinstance(value, Path) and name.endswith("_file"):  # the coder checks its model
        try:
            value.open("rb").close()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise _wrong(said, f"a file that can be read ({why})", text) from None
    return value


def _wrong(said: str, expected: str, got: str) -> SettingsError:
    return SettingsError(f"{said}: expected {expected}, got {got[:200]!r}")


def _secret_file(said: str, path: str) -> Secret:
    try:
        # Editors and `echo` end a file with a newline that is not part of the secret.
        return Secret(Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(f"{said}: cannot read the file {path!r}: {reason}") from None


def _nearest(name: str, names: set[str]) -> str | None:
    """Also of a name that was written as the variable."""
    name = name.lower().removeprefix(PREFIX.lower())
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.7)), None)


def _expected(kind: inspect.Type) -> str:
    match kind:
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            what = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
            limits = [
                f"{word} {limit:g}" if isinstance(limit, float) else f"{word} {limit}"
                for word, limit in (
                    ("at least", kind.ge),
                    ("above", kind.gt),
                    ("at most", kind.le),
                    ("below", kind.lt),
                )
                if limit is not None
            ]
            return ", ".join(filter(None, [what, " and ".join(limits)]))
        case inspect.StrType(min_length=least, max_length=most):
            return f"text of {least or 0} to {most or 'any number of'} characters"
    return "another value"


def _is_secret(name: str) -> bool:
    kind = _field(name).kind
    return isinstance(kind, inspect.CustomType) and kind.cls is Secret


class _Field(NamedTuple):
    kind: inspect.Type
    description: str
    optional: bool


@functools.cache
def _field(name: str) -> _Field:
    kind = inspect.type_info(Settings.__annotations__[name])
    optional = isinstance(kind, inspect.UnionType)
    if isinstance(kind, inspect.UnionType):  # X | None
        kind = next(k for k in kind.types if not isinstance(k, inspect.NoneType))
    if not isinstance(kind, inspect.Metadata):
        raise TypeError(f"Settings.{name}: expected Annotated[…, Meta(description=…)]")
    return _Field(kind.type, str((kind.extra_json_schema or {})["description"]), optional)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)
