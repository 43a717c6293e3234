"""The tables of `eventwire sink` in PostgreSQL, and what goes into them in one transaction.

Up to where the events topic is stored stands in the same database, and is written in the same
transaction as the events: whatever is killed, and even if the database comes back from a backup,
both agree. Needs psycopg, which comes with `eventwire[sink]`.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from eventwire.streams.event_rows import Change, Message, Refused, Row, refused
from eventwire.streams.settings import Secret, SettingsError, variable

log = logging.getLogger(__name__)

CONNECTION_DEFAULTS = {
    "application_name": "eventwire-sink",
    "connect_timeout": "10",
    # A server that is gone without a word is noticed after 30 s, not after two hours.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
"""Where the URL does not say otherwise; libpq's names and units."""

LOCK = 0x6576656E74776972
"""Of the advisory lock that the one sink that writes holds: `eventwir` in ASCII."""

EXAMPLE = "postgresql://user@host:5432/database"


class DatabaseAway(Exception):  # noqa: N818
    """The database cannot be used now and may be later; the message is one line that says why."""


class DatabaseError(Exception):
    """Waiting would not help; the message is one line that says what to do."""


class Batch(NamedTuple):
    """What one transaction stores."""

    changes: Sequence[Change]
    """In the order of the topic, by partition."""
    refusals: Sequence[Refused]
    positions: Mapping[int, int]
    """Partition to the next offset."""


def connection_parameters(url: str, password: Secret | None) -> dict[str, Any]:
    """Of libpq; raises SettingsError, which never repeats the URL: it may hold a password."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise SettingsError(f"expected a URL like {EXAMPLE}")
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise SettingsError(f"cannot read the URL: expected one like {EXAMPLE}") from None
    if "password" in given or "sslpassword" in given:
        raise SettingsError(
            "a password is never read from an argument, which others on the machine can see; set"
            f" PGPASSWORD, {variable('sink_password')} or {variable('sink_password')}_FILE"
        )
    if password is not None:
        given["password"] = password.reveal()
    return {**CONNECTION_DEFAULTS, **given}


class Database:
    """A connection that may write to the tables, and is the only one."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """Connect and migrate. Raises DatabaseAway and DatabaseError."""
        try:
            self._connection = psycopg.connect(**parameters, autocommit=True)
        except psycopg.OperationalError as error:
            raise _refusal(error) from None
        try:
            migrate(self._connection)
            self.name = _name(self._connection)
        except psycopg.Error as error:
            self.close()
            raise _translated(error) from None
        except DatabaseError:
            self.close()
            raise

    def lock(self) -> bool:
        """Whether this is the one that writes now; it stays so until the connection ends."""
        (locked,) = self._query("SELECT pg_try_advisory_lock(%s)", [LOCK])[0]
        return bool(locked)

    def positions(self, topic_id: str) -> dict[int, int]:
        """Partition to the next offset that is to be stored."""
        return dict(
            self._query(
                "SELECT kafka_partition, next_offset FROM eventwire.positions WHERE topic_id = %s",
                [topic_id],
            )
        )

    def store(self, topic: str, topic_id: str, batch: Batch) -> list[Refused]:
        """Store all of it in one transaction; returns what was refused, by the server too.

        Raises DatabaseAway, and stores nothing, or, where the connection broke at the very end,
        perhaps all: `positions` tells.
        """
        try:
            try:
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    _apply_together(cursor, batch.changes)
                    found = list(batch.refusals)
                    _finish(cursor, topic, topic_id, found, batch.positions)
            except psycopg.Error as error:
                if not _fault_of_a_record(error):
                    raise
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    found = [*batch.refusals, *_apply_one_by_one(cursor, batch.changes)]
                    _finish(cursor, topic, topic_id, found, batch.positions)
        except psycopg.Error as error:
            raise _translated(error) from None
        return found

    def close(self) -> None:
        self._connection.close()

    def _query(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement.encode(), values).fetchall()
        except psycopg.Error as error:
            raise _translated(error) from None


# ----------------------------------------------------------------------------------- migrations


class Migration(NamedTuple):
    version: int
    name: str
    statements: bytes


def migrations() -> list[Migration]:
    """Of the folder beside this file, in order: `0001_events.sql` is version 1."""
    folder = resources.files("eventwire.streams").joinpath("migrations")
    found = []
    for file in folder.iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            found.append(Migration(int(match[1]), match[2], file.read_bytes()))
    return sorted(found)


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring the tables to the newest version. Raises DatabaseError if they are newer than this."""
    known = migrations()
    with connection.transaction(), connection.cursor() as cursor:
        # Two sinks may start at once; and CREATE … IF NOT EXISTS fails where both create.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK + 1])
        cursor.execute("SELECT to_regclass('eventwire.migrations') IS NOT NULL")
        done: set[int] = set()
        if (exists := cursor.fetchone()) and exists[0]:
            cursor.execute("SELECT version FROM eventwire.migrations")
            done = {version for (version,) in cursor.fetchall()}
        if too_new := done - {migration.version for migration in known}:
            raise DatabaseError(
                f"the tables are at version {max(too_new)}, and this eventwire knows them up to"
                f" {known[-1].version}: run the newer eventwire that made them"
            )
        if not done:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS eventwire")
            cursor.execute(
                "CREATE TABLE eventwire.migrations (version integer PRIMARY KEY,"
                " name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
        for migration in known:
            if migration.version not in done:
                cursor.execute(migration.statements)
                cursor.execute(
                    "INSERT INTO eventwire.migrations (version, name) VALUES (%s, %s)",
                    [migration.version, migration.name],
                )
                log.info("tables: version %d (%s)", migration.version, migration.name)


# ------------------------------------------------------------------------------------- statements


def _upsert() -> sql.Composed:
    columns = [sql.Identifier(name) for name in Row._fields]
    return sql.SQL(
        "INSERT INTO eventwire.events ({columns}) VALUES ({values})"
        " ON CONFLICT (event_id) DO UPDATE SET {changes}, stored_at = now()"
    ).format(
        columns=sql.SQL(", ").join(columns),
        values=sql.SQL(", ").join(sql.Placeholder() for _ in columns),
        changes=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(column) for column in columns
        ),
    )


_UPSERT = _upsert()
_DELETE = "DELETE FROM eventwire.events WHERE event_id = ANY(%s)"


def _apply_together(cursor: psycopg.Cursor[Any], changes: Sequence[Change]) -> None:
    # All records of a key are in one partition, so their order is known; the last one counts.
    last = {change.event_id: change.row for change in changes}
    rows = [row for row in last.values() if row is not None]
    if rows:
        cursor.executemany(_UPSERT, rows)
    if gone := [event_id for event_id, row in last.items() if row is None]:
        cursor.execute(_DELETE, [gone])


def _apply_one_by_one(cursor: psycopg.Cursor[Any], changes: Sequence[Change]) -> list[Refused]:
    """Returns those that the server does not take."""
    found = []
    for change in changes:
        try:
            with cursor.connection.transaction():
                _apply_together(cursor, [change])
        except psycopg.Error as error:
            if not _fault_of_a_record(error):
                raise
            found.append(refused(change.message, f"PostgreSQL: {_line(error)}"))
    return found


def _finish(
    cursor: psycopg.Cursor[Any],
    topic: str,
    topic_id: str,
    refusals: Sequence[Refused],
    positions: Mapping[int, int],
) -> None:
    if refusals:
        cursor.executemany(
            "INSERT INTO eventwire.refused"
            " (topic_id, kafka_partition, kafka_offset, reason, key, value)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(topic_id, *_place(message), reason, *_content(message))
             for message, reason in refusals],
        )  # fmt: skip
    cursor.executemany(
        "INSERT INTO eventwire.positions (topic_id, kafka_partition, topic, next_offset)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (topic_id, kafka_partition)"
        " DO UPDATE SET next_offset = excluded.next_offset, stored_at = now()",
        [(topic_id, partition, topic, offset) for partition, offset in positions.items()],
    )


def _place(message: Message) -> tuple[int, int]:
    return message.partition, message.offset


def _content(message: Message) -> tuple[bytes | None, bytes | None]:
    return message.key, message.value


# ----------------------------------------------------------------------------------------- errors

_RECORD_CLASSES = ("22", "23", "54")
"""SQLSTATE classes: data exception, integrity constraint, program limit (a long index row)."""
_PASSING_CLASSES = ("08", "40", "53", "55", "57", "58")
"""Connection, rollback, resources, object in use, operator intervention, system."""
_READ_ONLY = "25006"
"""A standby, or a server that is being failed over."""


_LASTING_REFUSALS = ("does not exist", "no pg_hba.conf entry", "SSL", "certificate", "permission")


def _fault_of_a_record(error: psycopg.Error) -> bool:
    if error.sqlstate is None:  # psycopg's own
        return isinstance(error, psycopg.DataError)
    return error.sqlstate[:2] in _RECORD_CLASSES


def _translated(error: psycopg.Error) -> DatabaseAway | DatabaseError:
    """An error of an open connection."""
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return DatabaseAway(_line(error))
    if error.sqlstate and (error.sqlstate[:2] in _PASSING_CLASSES or error.sqlstate == _READ_ONLY):
        return DatabaseAway(_line(error))
    return DatabaseError(f"PostgreSQL refused: {_line(error)}{_advice(error)}")


def _advice(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "; the sink's user needs CREATE on the database, or to own the schema eventwire"
    return ""


def _refusal(error: psycopg.OperationalError) -> DatabaseAway | DatabaseError:
    """An error of connecting, of which libpq tells no SQLSTATE, only words."""
    line = _line(error)
    if "password" in line:
        name = variable("sink_password")
        return DatabaseError(f"{line}: set {name}, {name}_FILE or PGPASSWORD")
    # A server that speaks another language is waited for, with its words in the log.
    if any(words in line for words in _LASTING_REFUSALS):
        return DatabaseError(f"{line}: check the URL")
    return DatabaseAway(line)


def _line(error: psycopg.Error) -> str:
    text = error.diag.message_primary or str(error)
    return " ".join(text.split())[:300] or type(error).__name__


def _name(connection: psycopg.Connection[Any]) -> str:
    info = connection.info
    return f"{info.host}:{info.port}/{info.dbname}"
