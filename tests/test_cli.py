import argparse
import gzip
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PYTHONPATH

from eventwire.streams import cli, clients, options, settings, topics
from eventwire.streams.settings import Settings, SettingsError

TESTS = Path(__file__).parent
COMMAND = [sys.executable, "-P", "-m", "eventwire.streams.cli"]


def article(number, text="The ministers met in Geneva.", **more):
    return json.dumps({"id": f"a{number}", "text": text, **more})


@pytest.fixture
def feed(tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text(f"{article(1)}\n{{\n\n{article(4, 'She denied it.')}\n")
    return path


def environment(**variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EVENTWIRE_")}
    return clean | {
        "PYTHONPATH": PYTHONPATH,
        "EVENTWIRE_CODER": "fakes.fake_coder:load",
        **variables,
    }


def run(*arguments, stdin=None, stdout=subprocess.PIPE, timeout=120, **variables):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(**variables),
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=timeout,
        text=True,
        check=False,
    )


def refused(*arguments, status=1, **variables):
    """The one line on stderr of a command that fails."""
    done = run(*arguments, **variables)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


# --------------------------------------------------------------------------------- all commands


def test_help_names_every_command():
    done = run("--help")
    for command in [
        "code",
        "demo",
        "broker",
        "worker",
        "replay",
        "tail",
        "export",
        "schema",
        "topics",
        "config",
        "evaluate",
        "train",
    ]:
        assert re.search(rf"^    {command} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["config"],
        ["tail", "--help"],
        ["train", "--help"],
        ["train", "--anything"],
        ["train", "--data", "none.jsonl"],
        ["teach", "--teacher", "none", "--out", "runs"],
        ["evaluate", "none.jsonl"],
    ],
)
def test_what_needs_no_model_and_no_kafka_imports_neither(arguments):
    script = (
        "import sys; from eventwire.streams import cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "loaded = [m for m in ('torch', 'kafka', 'faust', 'transformers') if m in sys.modules]\n"
        "print(loaded, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_version_is_that_of_the_package():
    assert run("--version").stdout == f"eventwire {importlib.metadata.version('eventwire')}\n"


def test_help_names_the_variable_of_a_setting():
    assert "[EVENTWIRE_BROKERS]" in run("tail", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tail", "--form-beginning"], "unrecognized arguments: --form-beginning"),
        (["tail", "--from"], "unrecognized arguments: --from"),
        (
            ["tail", "--from-begining"],
            "(did you mean --from-beginning?); see eventwire tail --help",
        ),
        (["dlq", "list", "--raeson"], "eventwire dlq list: unrecognized arguments: --raeson"),
        (["--verson", "tail"], "(did you mean --version?); see eventwire --help"),
        (["tail", "--type", "sumons"], "unknown event type 'sumons'; did you mean summons?"),
        (["tail", "--min-confidence", "2"], "expected a number from 0 to 1, got '2'"),
        (["replay", "x", "--speed", "-1"], "expected a number of at least 0, got '-1'"),
        (["replay", "x", "--limit", "1.5"], "expected a whole number of at least 1, got '1.5'"),
        (["code"], "the following arguments are required: FEED.jsonl"),
        (["cod", "x"], "invalid choice: 'cod'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_option_ends_in_one_line(arguments, message):
    assert message in refused(*arguments, status=2)


def test_an_unknown_variable_is_refused_by_every_command():
    assert refused("config", status=2, EVENTWIRE_BROKER="x:1") == (
        "eventwire config: EVENTWIRE_BROKER: unknown setting; did you mean EVENTWIRE_BROKERS?"
    )


def test_set_without_a_value_is_refused():
    assert refused("config", "--set", "partitions", status=2).endswith("expected NAME=VALUE")


def test_an_error_is_a_json_line_where_logs_are():
    line = refused("code", "missing.jsonl", EVENTWIRE_LOG_FORMAT="json")
    assert json.loads(line)["message"].startswith("eventwire code: cannot read the feed")


def test_a_traceback_comes_only_with_debug():
    assert "Traceback" in run("code", "missing.jsonl", "--debug").stderr


# --------------------------------------------------------------------------------------- config


def test_config_tells_value_and_origin_of_every_setting():
    done = run("config", "--brokers", "a:1", "--set", "partitions=7", EVENTWIRE_GROUP="g")
    lines = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    rows = [re.split(r"\s{2,}", line) for line in lines]
    assert [row[0] for row in rows] == [
        settings.variable(name) for name in Settings.__struct_fields__
    ]
    assert ["EVENTWIRE_BROKERS", "a:1", "command line"] in rows
    assert ["EVENTWIRE_PARTITIONS", "7", "command line"] in rows
    assert ["EVENTWIRE_GROUP", "g", "environment"] in rows
    assert ["EVENTWIRE_LINGER", "0.05", "default"] in rows
    assert ["EVENTWIRE_SASL_USER", "-", "default"] in rows


def test_config_describes_every_setting_in_lines_that_fit_a_terminal():
    shown = run("config").stdout
    assert max(map(len, shown.splitlines())) <= 100
    words = " ".join(shown.split())
    for name in Settings.__struct_fields__:
        assert f" {settings.description(name)}" in words


def test_set_takes_a_setting_by_the_name_that_config_shows():
    assert "EVENTWIRE_PARTITIONS  7" in re.sub(
        r" {2,}", "  ", run("config", "--set", "EVENTWIRE_PARTITIONS=7").stdout
    )


def test_config_masks_secrets_in_text_and_json():
    secret = {"EVENTWIRE_SASL_PASSWORD": "hush"}
    for arguments in (["config"], ["config", "--json"]):
        done = run(*arguments, **secret)
        assert "********" in done.stdout
        assert "hush" not in done.stdout + done.stderr


def test_config_as_json_is_one_array_of_objects():
    explained = json.loads(run("config", "--json").stdout)
    assert set(explained[0]) == {"name", "variable", "value", "origin", "description"}


# ----------------------------------------------------------------------------------------- code


def test_code_writes_events_to_stdout_and_all_else_to_stderr(feed):
    done = run("code", feed)
    assert done.returncode == 0
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event_type"] for event in events] == ["meeting", "denial"]
    reported, summary = done.stderr.splitlines()
    assert reported.startswith("feed.jsonl:2: expected JSON")
    assert summary.startswith("4 lines: 2 articles, 1 blank, 1 failed; 2 events")


def test_quiet_leaves_stderr_empty(feed):
    assert run("code", feed, "--quiet").stderr == ""


def test_what_a_library_prints_does_not_get_among_the_events(tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text(article(1, "They met. PRINT"))
    done = run("code", path, "--quiet")
    assert [json.loads(line)["event_type"] for line in done.stdout.splitlines()] == ["meeting"]
    assert "library chatter" in done.stderr


def test_code_reads_stdin():
    assert json.loads(run("code", "-", stdin=article(1)).stdout)["article"]["id"] == "a1"


def test_code_reads_gzip_from_stdin(tmp_path):
    path = tmp_path / "feed.gz"
    path.write_bytes(gzip.compress(article(1).encode()))
    with path.open("rb") as file:
        done = subprocess.run(
            [*COMMAND, "code", "-"],
            stdin=file,
            env=environment(),
            capture_output=True,
            check=True,
        )
    assert json.loads(done.stdout)["article"]["id"] == "a1"


def test_code_writes_to_a_file(feed, tmp_path):
    out = tmp_path / "events.jsonl"
    done = run("code", feed, "-o", out)
    assert done.stdout == ""
    assert len(out.read_text().splitlines()) == 2


def test_code_does_not_write_over_its_own_feed(feed):
    before = feed.read_bytes()
    assert "expected another file than the feed" in refused("code", feed, "-o", feed, status=2)
    assert feed.read_bytes() == before


def test_code_tells_where_it_cannot_write(feed):
    assert refused("code", feed, "-o", "/no/such/folder/x", status=2) == (
        "eventwire code: -o /no/such/folder/x: cannot write there: No such file or directory"
    )


@pytest.mark.parametrize(
    ("name", "reason"), [("none.jsonl", "No such file or directory"), ("", "Is a directory")]
)
def test_a_feed_that_cannot_be_read_ends_in_one_line(tmp_path, name, reason):
    path = tmp_path / name
    assert refused("code", path) == f"eventwire code: cannot read the feed {path}: {reason}"


def test_code_fails_where_no_line_holds_an_article(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<html>\n</html>\n")
    done = run("code", path)
    assert done.returncode == 1
    *_, summary, error = done.stderr.splitlines()
    assert summary.startswith("2 lines: 0 articles, 0 blank, 2 failed")
    assert error == (
        "eventwire code: page.html: expected articles, one JSON object a line, with id and text;"
        " none of its lines could be coded"
    )


@pytest.mark.parametrize("content", ["", "\n\n"])
@pytest.mark.parametrize("command", [["code"], ["export", "--format", "csv"]])
def test_an_empty_feed_is_no_failure_as_the_help_says(tmp_path, command, content):
    path = tmp_path / "empty.jsonl"
    path.write_text(content)
    assert run(*command, path).returncode == 0
    assert "empty" in run(*command, "--help").stdout


def test_of_a_feed_of_another_kind_the_first_bad_lines_are_told_and_the_others_counted(tmp_path):
    path = tmp_path / "feed.bin"
    path.write_bytes(b"\xff\xfa\n" * 500)
    done = run("code", path)
    assert done.stderr.count("expected UTF-8, got byte 0xff at 0") == 20
    assert "\n480 more failed; --debug tells each\n500 lines: " in done.stderr


@pytest.mark.parametrize("command", [["code"], ["export", "--format", "csv"], ["replay"]])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_told_from_json_lines_with_the_remedy(tmp_path, command, indent):
    path = tmp_path / "feed.json"
    path.write_text(json.dumps([{"id": "a1", "text": "x"}] * 2, indent=indent))
    more = ["--dry-run"] if command == ["replay"] else []
    line = refused(*command, path, *more)
    assert "feed.json is one JSON array: expected one JSON object a line" in line
    assert "jq -c '.[]'" in line


def test_events_come_while_the_feed_is_still_written():
    process = subprocess.Popen(
        [*COMMAND, "code", "-"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    process.stdin.write("".join(article(n) + "\n" for n in range(4)))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["article"]["id"] == "a0"
    process.stdin.close()
    assert process.stdout.read().count("\n") == 3
    assert process.wait(60) == 0
    process.stdout.close()


# ----------------------------------------------------------------------------------- result files


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "results" / "events.jsonl"
    path.parent.mkdir()
    path.write_text("old\n")
    return path


def assert_untouched(old):
    assert old.read_text() == "old\n"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("command", [["code"], ["export", "--format", "csv"]])
@pytest.mark.parametrize("content", [None, "{\n"])
def test_a_command_that_fails_leaves_the_file_as_it_was(tmp_path, old, command, content):
    path = tmp_path / "feed.jsonl"
    if content:
        path.write_text(content)
    assert run(*command, path, "-o", old).returncode == 1
    assert_untouched(old)


def test_a_model_that_cannot_be_loaded_leaves_the_file_as_it_was(feed, old):
    refused("code", feed, "-o", old, EVENTWIRE_CODER="fakes.fake_coder:fail")
    assert_untouched(old)


def test_a_feed_that_breaks_off_leaves_the_file_as_it_was(tmp_path, old):
    path = tmp_path / "feed.gz"
    path.write_bytes(gzip.compress(article(1).encode() + b"\n") + b"\x1f\x8b\x08")
    assert "damaged" in refused("code", path, "-o", old)
    assert_untouched(old)


def test_an_output_that_cannot_be_written_is_told_before_the_model_is_loaded(feed, tmp_path):
    coder = {"EVENTWIRE_CODER": "fakes.fake_coder:fail"}
    line = refused("code", feed, "-o", tmp_path, status=2, **coder)
    assert line == f"eventwire code: -o {tmp_path}: cannot write there: Is a directory"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_file_as_it_was(tmp_path, old, number):
    path = tmp_path / "feed.jsonl"
    path.write_text(article(1, "They met. FREEZE"))
    process = subprocess.Popen(
        [*COMMAND, "code", str(path), "-o", str(old)],
        env=environment(),
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while len(list(old.parent.iterdir())) == 1:
        assert time.monotonic() < deadline, "it has not begun"
        time.sleep(0.05)
    process.send_signal(number)
    assert process.stderr.read() == b""
    assert process.wait(60) == 128 + number
    process.stderr.close()
    assert_untouched(old)


def test_results_are_added_to_a_file_that_stdout_is(feed, tmp_path):
    out = tmp_path / "events.jsonl"
    out.write_text("old\n")
    with out.open("ab") as stdout:
        run("code", feed, "-o", "/dev/stdout", stdout=stdout)
    assert out.read_text().startswith("old\n{")
    assert out.read_text().count("\n") == 3


def test_a_feed_is_not_added_to_while_it_is_read(feed):
    before = feed.read_bytes()
    with feed.open("ab") as stdout:
        done = run("code", feed, stdout=stdout)
    assert done.returncode == 2
    assert done.stderr == "eventwire code: stdout: expected another file than the feed\n"
    assert feed.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "config", "schema", "code FEED", "export --format csv EVENTS"],
)
def test_a_full_disk_behind_stdout_is_told_in_one_line(feed, events, command):
    words = command.replace("FEED", str(feed)).replace("EVENTS", str(events)).split()
    if len(words) > 1:
        words.append("--quiet")
    with Path("/dev/full").open("wb") as full:
        done = run(*words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.endswith(": stdout: No space left on device\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("code - <&-", 1, "eventwire code: cannot read the feed -: stdin is closed"),
        ("code FEED --quiet >&-", 1, "eventwire code: stdout: Bad file descriptor"),
        ("config >&-", 1, "eventwire config: stdout: Bad file descriptor"),
        ("code FEED --quiet -o OUT >&-", 0, ""),
        ("code FEED -o OUT 2>&-", 0, ""),
        ("code missing.jsonl 2>&-", 1, ""),
    ],
)
def test_closed_standard_files_are_no_surprise(feed, tmp_path, command, status, message):
    out = tmp_path / "out.jsonl"
    words = command.replace("FEED", str(feed)).replace("OUT", str(out))
    done = subprocess.run(
        f"{sys.executable} -P -m eventwire.streams.cli {words}",
        shell=True,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (status, message)
    if "-o" in command:
        assert len(out.read_text().splitlines()) == 2


def test_a_model_that_cannot_be_loaded_is_told_in_one_line(feed):
    line = refused("code", feed, EVENTWIRE_CODER="fakes.fake_coder:fail")
    assert "model.safetensors: expected 24,117,248 bytes, got 134" in line


def test_a_reader_that_leaves_ends_code_quietly(tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text("\n".join(article(n) for n in range(2_000)))
    process = subprocess.Popen(
        [*COMMAND, "code", str(path), "--quiet"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(20) == 0
    process.stderr.close()


# ---------------------------------------------------------------------------- export and schema

EXAMPLE = TESTS.parent / "docs" / "schemas" / "v1" / "examples" / "event.json"


@pytest.fixture
def events(tmp_path):
    """Event records: one that occurred, one denied, and a line that is none."""
    event = json.loads(EXAMPLE.read_text("utf-8"))
    denied = event | {"event_id": "e2", "status": "negated", "confidence": 0.6}
    path = tmp_path / "events.jsonl"
    path.write_text(f"{json.dumps(event)}\n{{}}\n{json.dumps(denied)}\n")
    return path


def test_export_writes_to_stdout_and_tells_bad_lines_and_counts_on_stderr(events):
    done = run("export", "--format", "csv", events)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].startswith("schema_version,event_id,event_type,")
    assert done.stdout.count("\n") == 3
    reported, summary = done.stderr.splitlines()
    assert reported.startswith("events.jsonl:2: expected an event record: ")
    assert summary == "2 events read, 1 record failed: 2 exported, 0 not asked for"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ([], 1),
        (["--all-statuses"], 2),
        (["--status", "negated"], 1),
        (["--all-statuses", "--min-confidence", "0.9"], 1),
        (["--type", "riot"], 0),
    ],
)
def test_gdelt_has_what_occurred_unless_more_is_asked_for(events, arguments, lines):
    done = run("export", "--format", "gdelt", events, "--quiet", *arguments)
    assert (done.stdout.count("\n"), done.stderr) == (lines, "")


def test_export_reads_a_pipe_and_writes_a_file(events, tmp_path):
    out = tmp_path / "events.geojson"
    done = run("export", "--format", "geojson", "-", "-o", out, stdin=events.read_text())
    assert done.stdout == ""
    assert len(json.loads(out.read_text())["features"]) == 2


def test_parquet_goes_through_a_pipe(events, tmp_path):
    out = tmp_path / "events.parquet"
    with out.open("wb") as stdout:
        command = (
            f"{sys.executable} -P -m eventwire.streams.cli export --format parquet {events} | cat"
        )
        subprocess.run(command, shell=True, env=environment(), stdout=stdout, check=True)
    assert out.read_bytes()[:4] == out.read_bytes()[-4:] == b"PAR1"


@pytest.mark.parametrize("kind", ["csv", "parquet", "geojson", "gdelt"])
def test_export_of_nothing_but_bad_lines_fails_and_writes_nothing(tmp_path, kind):
    path = tmp_path / "bad.jsonl"
    path.write_text("{}\n")
    done = run("export", "--format", kind, path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "eventwire export: expected event records as `eventwire code` writes them, one JSON object"
        " a line; of 1 record none is one"
    )


@pytest.mark.parametrize("kind", ["csv", "parquet", "geojson", "gdelt"])
def test_export_writes_nothing_where_kafka_cannot_be_reached(kind):
    assert "cannot reach Kafka" in refused("export", "--format", kind, "--brokers", "127.0.0.1:1")


def test_export_of_a_missing_file_ends_in_one_line():
    assert "cannot read the feed missing.jsonl" in refused(
        "export", "--format", "csv", "missing.jsonl"
    )


def test_export_does_not_overwrite_what_it_reads(events):
    before = events.read_bytes()
    assert "expected another file" in refused(
        "export", "--format", "csv", events, "-o", events, status=2
    )
    assert events.read_bytes() == before


def test_schema_prints_one_document_or_all_of_them():
    every = json.loads(run("schema").stdout)
    assert list(every) == ["article", "event", "coding", "dead-letter", "asyncapi"]
    assert json.loads(run("schema", "event").stdout) == every["event"]


def test_schema_tells_the_topics_of_the_settings_given():
    told = json.loads(run("schema", "asyncapi", "--topic-prefix", "dev.").stdout)
    assert told["channels"]["events"]["address"] == "dev.politics.events.v1"


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_schema_does_not_write_over_what_is_no_schema(tmp_path, content):
    path = tmp_path / "event.schema.json"
    path.write_text(content)
    line = refused("schema", "--write", tmp_path)
    assert line.startswith(f"eventwire schema: {path}: expected what `eventwire schema --write`")
    assert path.read_text() == content


def test_schema_tells_that_a_file_is_no_folder(feed):
    line = refused("schema", "--write", feed, status=2)
    assert line == f"eventwire schema: --write {feed}: expected a folder, got the file {feed}"


def test_schema_writes_the_files_that_are_committed(tmp_path):
    assert run("schema", "--write", tmp_path).returncode == 0
    committed = EXAMPLE.parents[1]
    for path in tmp_path.iterdir():
        assert path.read_text() == (committed / path.name).read_text()


# ------------------------------------------------------------------------------- train and bench


def refused_at_once(*words):
    """What a command of the model refuses, without another process: torch takes long to import."""
    arguments = list(words)
    given = options.parser().parse_args(arguments)
    with pytest.raises(SettingsError) as refused:
        cli.COMMANDS[given.command](Settings(), given)
    return str(refused.value)


@pytest.mark.parametrize("epochs", ["0", "-1", "many"])
def test_train_refuses_a_number_of_epochs_that_trains_nothing(epochs):
    line = refused("train", "--epochs", epochs, status=2)
    assert f"--epochs: expected a whole number of at least 1, got '{epochs}'" in line


@pytest.mark.parametrize("option", ["--taught", "--teacher"])
def test_train_refuses_a_folder_that_is_not_there(feed, option):
    files = ["--data", str(feed), "--evaluation", str(feed), option, "none"]
    assert refused_at_once("train", *files) == "none: no such file; name a folder that is there"


@pytest.mark.parametrize("missing", ["--out", "--texts"])
def test_train_tells_what_is_missing_to_make_a_reference_of(tmp_path, missing):
    files = {"--out": tmp_path, "--texts": tmp_path, missing: tmp_path / "none"}
    arguments = [word for option, path in files.items() for word in (option, str(path))]
    assert refused_at_once("train", "--reference-only", *arguments) == (
        f"{tmp_path}/none: no such file; name others with --texts and --out"
    )


@pytest.mark.parametrize("missing", ["--data", "--evaluation", "--texts"])
def test_train_tells_how_to_name_other_files_than_those_that_are_missing(tmp_path, missing):
    there = tmp_path / "ours.standoff.jsonl"
    there.touch()
    files = {"--data": there, "--evaluation": there, "--texts": there}
    files[missing] = tmp_path / "none.jsonl"
    arguments = [word for option, path in files.items() for word in (option, str(path))]
    assert refused_at_once("train", *arguments) == (
        f"{tmp_path}/none.jsonl: no such file; name files of your own with --data, --evaluation"
        " and --texts"
    )


def test_train_refuses_an_output_that_is_no_folder_before_it_reads_anything(feed):
    files = ["--data", str(feed), "--evaluation", str(feed)]
    line = refused_at_once("train", *files, "--out", str(feed))
    assert line == f"--out {feed}: expected a folder, got the file {feed}"


def test_bench_tells_how_to_name_a_feed():
    line = refused("bench", "coder", "--feed", "none.jsonl", status=2)
    assert line == (
        "eventwire bench: none.jsonl: no such file; name a feed of your own with --feed"
    )


def test_bench_of_a_feed_without_an_article_ends_in_one_line(tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text("\n")
    assert refused("bench", "coder", "--feed", path) == (
        "eventwire bench: feed.jsonl: expected articles, one JSON object a line, got none"
    )


def test_bench_tells_the_line_of_its_feed_that_is_no_article(tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text(article(1, "They met.") + '\n{"id": 7, "text": "They met."}\n')
    assert refused("bench", "coder", "--feed", path) == (
        "eventwire bench: feed.jsonl:2: field 'id': expected a string, got a number"
    )


def test_what_transformers_tells_about_an_encoder_is_not_shown(tmp_path, capfd):
    from transformers import BertConfig, BertModel
    from transformers.utils import logging as told

    small = BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        vocab_size=9,
    )  # fmt: skip
    BertModel(small, add_pooling_layer=False).save_pretrained(tmp_path)
    try:
        shown = []
        for debug in (True, False):
            cli._hush_transformers(argparse.Namespace(debug=debug))
            BertModel.from_pretrained(tmp_path)  # a pooler is missing, of which it reports
            shown.append("".join(capfd.readouterr()))
    finally:
        told.set_verbosity_warning()
        told.enable_progress_bar()
    assert shown[0]
    assert shown[1] == ""


# ---------------------------------------------------------------------------------- with brokers


@pytest.mark.parametrize("command", [["tail"], ["topics"], ["replay", options.SAMPLE_FEED]])
def test_brokers_that_are_down_end_in_one_line_within_seconds(command):
    began = time.monotonic()
    line = refused(*command, "--brokers", "127.0.0.1:1", EVENTWIRE_CONNECT_TIMEOUT="60")
    assert "cannot reach Kafka at 127.0.0.1:1: Connection refused" in line
    assert "EVENTWIRE_BROKERS" in line
    assert time.monotonic() - began < 30


def test_topics_lists_what_is_there(broker):
    done = run("topics", "--brokers", broker.address, "--topic-prefix", "cli.", "--partitions", 2)
    rows = [re.split(r"\s{2,}", row) for row in done.stdout.splitlines()]
    assert len(rows) == 7
    assert rows[0] == ["cli.news.articles.v1", "2 partitions", "cleanup policy unknown", "created"]


def test_a_dry_run_needs_no_broker(feed):
    done = run("replay", feed, "--dry-run", "--brokers", "127.0.0.1:1")
    assert done.returncode == 0
    assert "3 would be sent (1 of them no articles)" in done.stderr


def test_replay_tells_what_it_sent_and_tail_shows_events_as_json_in_a_pipe(broker, feed):
    options = ["--brokers", broker.address, "--topic-prefix", "pipe."]
    topics.create_missing(Settings(brokers=broker.address, topic_prefix="pipe."))
    done = run("replay", feed, *options)
    assert done.returncode == 0
    assert "3 sent (1 of them no articles)" in done.stderr
    tail = subprocess.Popen(
        [*COMMAND, "tail", "--from-beginning", "--type", "denial", *options],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    coded = run("code", feed, "--quiet").stdout.encode().splitlines()
    with clients.producer(Settings(brokers=broker.address)) as producer:
        for value in coded:
            producer.send("pipe.politics.events.v1", value, key=b"k").get(10)
    assert json.loads(tail.stdout.readline())["event_type"] == "denial"
    tail.send_signal(signal.SIGINT)
    assert tail.wait(10) == 130
    assert tail.stderr.read() == ""
    tail.stdout.close()
    tail.stderr.close()


def test_a_line_that_is_too_large_to_send_is_told_and_fails_the_replay(broker, tmp_path):
    path = tmp_path / "feed.jsonl"
    path.write_text(article(1) + "\n" + article(2, "x" * 5_000))
    settings = Settings(brokers=broker.address, topic_prefix="large.")
    topics.create_missing(settings)
    done = run(
        *("replay", path, "--brokers", broker.address, "--topic-prefix", "large."),
        *("--set", "article_max_bytes=2000"),
    )
    assert done.returncode == 1
    assert "feed.jsonl:2: not sent: expected a record of at most 2,000 bytes" in done.stderr
    assert "1 sent" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broker_prints_its_address_creates_the_topics_and_ends_on_a_signal(number):
    process = subprocess.Popen(
        [*COMMAND, "broker", "--port", "0"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = process.stdout.readline().strip()
    assert run("topics", "--brokers", address).stdout.count("created") == 0
    process.send_signal(number)
    assert process.wait(10) == (0 if number == signal.SIGINT else 143)
    process.stdout.close()
    process.stderr.close()
    assert "Connection refused" in refused("topics", "--brokers", address)


def test_broker_tells_a_taken_port_in_one_line(broker):
    assert "--port" in refused("broker", "--port", broker.port)


def test_export_without_a_file_reads_what_stands_on_the_events_topic(broker):
    loaded = Settings(brokers=broker.address, topic_prefix="cli-export.", partitions=2)
    topics.create_missing(loaded)
    event = json.loads(EXAMPLE.read_text("utf-8"))
    with clients.producer(loaded) as producer:
        for key in ("e1", "e2", "e1"):
            value = json.dumps(event | {"event_id": key}).encode()
            producer.send("cli-export.politics.events.v1", value, key=key.encode()).get(10)
        producer.send("cli-export.politics.events.v1", None, key=b"e2").get(10)
        producer.send("cli-export.politics.events.v1", b"noise", key=b"n").get(10)
    kafka = {"EVENTWIRE_BROKERS": broker.address, "EVENTWIRE_TOPIC_PREFIX": "cli-export."}
    done = run("export", "--format", "gdelt", **kafka)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "cli-export.politics.events.v1[" in done.stderr
    assert "1 event read, 1 record failed: 1 exported" in done.stderr
