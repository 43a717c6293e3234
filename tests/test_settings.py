import re
from pathlib import Path

import pytest

from eventwire.streams.decode import REASONS
from eventwire.streams.settings import (
    Secret,
    Settings,
    SettingsError,
    explain,
    load,
    to_environment,
)


def refusal(environment=None, command_line=None):
    with pytest.raises(SettingsError) as caught:
        load(environment or {}, command_line or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_any_setting_the_defaults_hold():
    assert load({}) == Settings()


def test_the_environment_wins_over_the_default():
    assert load({"EVENTWIRE_BROKERS": "kafka:9092"}).brokers == "kafka:9092"


def test_the_command_line_wins_over_the_environment():
    loaded = load({"EVENTWIRE_BROKERS": "kafka:9092"}, {"brokers": "other:9092"})
    assert loaded.brokers == "other:9092"


def test_variables_of_others_are_ignored():
    assert load({"BROKERS": "x", "HOME": "/", "eventwire_brokers": "y"}) == Settings()


def test_an_unknown_variable_is_refused_with_the_nearest_name():
    message = refusal({"EVENTWIRE_BROKER": "kafka:9092"})
    assert message == "EVENTWIRE_BROKER: unknown setting; did you mean EVENTWIRE_BROKERS?"


def test_an_unknown_name_without_a_near_one_points_to_config():
    message = refusal({}, {"zzz": "1"})
    assert message == "zzz: unknown setting; `eventwire config` lists all"


@pytest.mark.parametrize("name", ["EVENTWIRE_HTTP_PORT", "eventwire_http_port", "HTTP_PORT"])
def test_a_variable_given_as_a_name_is_refused_with_the_name(name):
    assert refusal({}, {name: "80"}) == f"{name}: unknown setting; did you mean http_port?"


SERVICE_LINKS = {
    "SERVICE_HOST": "10.96.0.7",
    "SERVICE_PORT": "9464",
    "SERVICE_PORT_METRICS": "9464",
    "PORT": "tcp://10.96.0.7:9464",
    "PORT_9464_TCP": "tcp://10.96.0.7:9464",
    "PORT_9464_TCP_PROTO": "tcp",
    "PORT_9464_TCP_PORT": "9464",
    "PORT_9464_TCP_ADDR": "10.96.0.7",
    "PORT_53_UDP": "udp://[fd00::7]:53",
    "PORT_53_UDP_PROTO": "udp",
    "PORT_53_UDP_ADDR": "fd00::7",
}


@pytest.mark.parametrize("service", ["EVENTWIRE", "EVENTWIRE_WORKER", "EVENTWIRE_HTTP"])
def test_what_kubernetes_says_of_services_is_ignored(service):
    links = {f"{service}_{name}": value for name, value in SERVICE_LINKS.items()}
    assert load(links) == Settings()
    assert {setting.origin for setting in explain(links)} == {"default"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVENTWIRE_PORT", "9464"),
        ("EVENTWIRE_HTP_PORT", "9464"),
        ("EVENTWIRE_HTTP_PORTS", "tcp://10.96.0.7:9464"),
        ("EVENTWIRE_SERVICE_HOST", "localhost"),
        ("EVENTWIRE_SERVICE_PORT", "http"),
        ("EVENTWIRE_PORT_9464_TCP", "9464"),
        ("EVENTWIRE_PORT_9464_TCP_ADR", "10.96.0.7"),
        ("EVENTWIRE_PORT_HTTP_TCP", "tcp://10.96.0.7:9464"),
    ],
)
def test_what_only_looks_like_it_is_a_typo(name, value):
    assert refusal({name: value}).startswith(f"{name}: unknown setting")


def test_the_value_of_an_unknown_variable_is_not_shown_since_it_may_be_a_secret():
    message = refusal({"EVENTWIRE_SASL_PASWORD": "hush"})
    assert "EVENTWIRE_SASL_PASSWORD" in message
    assert "hush" not in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("min_confidence", "7", "a number, at least 0 and at most 1, got '7'"),
        ("min_confidence", "nan", "a number, at least 0 and at most 1, got 'nan'"),
        ("partitions", "4.5", "a whole number, at least 1 and at most 10000, got '4.5'"),
        ("partitions", "", "a whole number, at least 1 and at most 10000, got ''"),
        ("connect_timeout", "0", "a number, above 0 and at most 600, got '0'"),
        ("log_format", "xml", "one of json, text, got 'xml'"),
        ("brokers", "kafka", "host:port, comma-separated, got 'kafka'"),
        ("brokers", "kafka:9092,", "host:port, comma-separated, got 'kafka:9092,'"),
        ("group", "", "text of 1 to 200 characters, got ''"),
        ("topic_prefix", "a b", "up to 200 letters, digits, '.', '_' and '-', got 'a b'"),
        ("coder", "foo", "module:function, got 'foo'"),
        ("coder", "a.b:c:d", "module:function, got 'a.b:c:d'"),
        ("coder", "a..b:c", "module:function, got 'a..b:c'"),
        (
            "ssl_ca_file",
            "/nope",
            "a file that can be read (No such file or directory), got '/nope'",
        ),
        ("ssl_key_file", "/", "a file that can be read (Is a directory), got '/'"),
        ("ssl_cert_file", "a\0b", "a file that can be read (embedded null byte), got 'a\\x00b'"),
    ],
)
def test_a_wrong_value_is_refused_with_name_value_and_what_was_expected(name, value, expected):
    variable = f"EVENTWIRE_{name.upper()}"
    assert refusal({variable: value}) == f"{variable}: expected {expected}"


def test_a_wrong_value_on_the_command_line_is_named_as_it_was_given():
    assert refusal({}, {"partitions": "x"}).startswith("partitions: expected a whole number")


def test_an_unknown_event_type_to_route_is_refused_with_the_nearest():
    message = refusal({"EVENTWIRE_ROUTED_TYPES": "capture,sumons"})
    assert message == "EVENTWIRE_ROUTED_TYPES: unknown event type 'sumons'; did you mean summons?"


def test_a_list_is_comma_separated_and_may_be_empty():
    assert load({"EVENTWIRE_ROUTED_TYPES": "denial, protest"}).routed_types == ("denial", "protest")
    assert load({"EVENTWIRE_ROUTED_TYPES": ""}).routed_types == ()


def test_an_empty_variable_unsets_what_can_be_unset():
    assert load({"EVENTWIRE_SASL_USER": "", "EVENTWIRE_REPLICATION": ""}) == Settings()


@pytest.mark.parametrize("brokers", ["a:1,b:2", "[::1]:9092", "kafka-1.example.org:9092"])
def test_broker_addresses_may_be_names_and_numbers_of_both_kinds(brokers):
    assert load({"EVENTWIRE_BROKERS": brokers}).broker_list == brokers.split(",")


def test_sasl_without_a_user_is_refused():
    message = refusal({"EVENTWIRE_SECURITY_PROTOCOL": "SASL_SSL"})
    assert message == (
        "EVENTWIRE_SASL_USER: expected a value, since EVENTWIRE_SECURITY_PROTOCOL is SASL_SSL"
    )


def test_a_client_certificate_without_its_key_is_refused(tmp_path):
    certificate = tmp_path / "cert.pem"
    certificate.touch()
    message = refusal({"EVENTWIRE_SSL_CERT_FILE": str(certificate)})
    assert message.endswith("EVENTWIRE_SSL_KEY_FILE: expected both or none")


def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path):
    file = tmp_path / "password"
    file.write_text(" pass word \r\n")
    loaded = load({"EVENTWIRE_SASL_PASSWORD_FILE": str(file)})
    assert loaded.sasl_password == Secret(" pass word ")


def test_the_file_of_a_secret_may_be_named_on_the_command_line(tmp_path):
    file = tmp_path / "password"
    file.write_text("hush")
    loaded = load({"EVENTWIRE_SASL_PASSWORD": "old"}, {"sasl_password_file": str(file)})
    assert loaded.sasl_password == Secret("hush")


def test_a_secret_on_the_command_line_is_refused_unseen():
    message = refusal({}, {"sasl_password": "hush"})
    assert "EVENTWIRE_SASL_PASSWORD_FILE" in message
    assert "hush" not in message


@pytest.mark.parametrize("order", [1, -1])
def test_a_secret_and_its_file_together_are_refused(tmp_path, order):
    file = tmp_path / "password"
    file.write_text("hush")
    both = [("EVENTWIRE_SASL_PASSWORD", "x"), ("EVENTWIRE_SASL_PASSWORD_FILE", str(file))]
    assert refusal(dict(both[::order])).endswith("got both")


def test_a_missing_secret_file_is_named():
    message = refusal({"EVENTWIRE_SASL_PASSWORD_FILE": "/no/such/file"})
    assert message == (
        "EVENTWIRE_SASL_PASSWORD_FILE: cannot read the file '/no/such/file':"
        " No such file or directory"
    )


def test_no_representation_shows_a_secret():
    loaded = load({"EVENTWIRE_SASL_PASSWORD": "hush"})
    assert "hush" not in repr(loaded)
    assert "hush" not in f"{loaded.sasl_password}"
    assert "hush" not in str(explain({"EVENTWIRE_SASL_PASSWORD": "hush"}))


def test_every_setting_is_explained_with_value_and_origin(tmp_path):
    file = tmp_path / "password"
    file.write_text("hush")
    environment = {
        "EVENTWIRE_SASL_PASSWORD_FILE": str(file),
        "EVENTWIRE_TOPIC_PREFIX": "test.",
        "EVENTWIRE_PARTITIONS": "2",
    }
    explained = {s.name: s for s in explain(environment, {"partitions": "3"})}
    assert set(explained) == set(Settings.__struct_fields__)
    assert all(s.description.endswith(".") for s in explained.values())
    assert explained["topic_prefix"][1:4] == ("EVENTWIRE_TOPIC_PREFIX", "test.", "environment")
    assert explained["partitions"][2:4] == ("3", "command line")
    assert explained["group"][2:4] == ("eventwire", "default")
    assert explained["sasl_password"][2:4] == ("********", f"EVENTWIRE_SASL_PASSWORD_FILE {file}")
    assert explained["sasl_user"].value == ""


def test_a_child_process_gets_the_same_settings_from_its_environment(tmp_path):
    authority = tmp_path / "ca.pem"
    authority.touch()
    settings = Settings(
        brokers="a:1,b:2",
        security_protocol="SASL_SSL",
        sasl_user="alice",
        sasl_password=Secret("hush"),
        ssl_ca_file=authority,
        replication=3,
        routed_types=(),
        min_confidence=0.25,
    )
    assert load(to_environment(settings)) == settings


def test_the_documentation_of_the_limits_is_what_the_settings_say():
    text = (Path(__file__).parent.parent / "docs" / "limits.md").read_text()
    rows = dict(re.findall(r"^\| `(EVENTWIRE_\w+)` \| (\d+) \| `\w+` \|", text, re.MULTILINE))
    reasons = dict(re.findall(r"^\| `(EVENTWIRE_\w+)` \| \d+ \| `(\w+)` \|", text, re.MULTILINE))
    limits = {s.variable: s for s in explain({}) if s.name.startswith("article_max_")}
    assert rows == {name: setting.value for name, setting in limits.items()}
    assert all(f"({reasons[name]})." in limits[name].description for name in reasons)
    assert set(reasons.values()) <= set(REASONS)
