import subprocess
import sys

import pytest

from eventwire.streams.app import build_app
from eventwire.streams.faust_fixes import Consumer, FlowControl
from eventwire.streams.settings import Secret, Settings


def test_two_apps_in_a_process_have_nothing_in_common() -> None:
    one = build_app(Settings(topic_prefix="one.", group="one"))
    other = build_app(Settings(topic_prefix="other.", group="other"))
    assert one.conf.id == "one"
    assert other.conf.id == "other"
    assert one.topic_names.articles.name == "one.news.articles.v1"
    assert other.topic_names.articles.name == "other.news.articles.v1"
    assert one.metrics.registry is not other.metrics.registry
    assert one.flow_control is not other.flow_control


def test_variables_that_faust_reads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PRODUCER_ACKS": "0",
        "BROKER_URL": "kafka://elsewhere:1",
        "WEB_PORT": "1",
        "WEB_ENABLED": "1",
        "APP_ID": "other",
        "PROCESSING_GUARANTEE": "exactly_once",
        "STREAM_WAIT_EMPTY": "0",
    }.items():
        monkeypatch.setenv(name, value)
    conf = build_app(Settings(brokers="here:9092")).conf
    assert conf.producer_acks == -1
    assert [str(url) for url in conf.broker_consumer] == ["kafka://here:9092"]
    assert [str(url) for url in conf.broker_producer] == ["kafka://here:9092"]
    assert not conf.web_enabled
    assert conf.id == "eventwire"
    assert conf.processing_guarantee.value == "at_least_once"
    assert conf.stream_wait_empty


def test_the_producer_takes_more_than_the_input_may_hold() -> None:
    settings = Settings(article_max_bytes=5_000_000)
    assert build_app(settings).conf.producer_max_request_size > 5_000_000 + 500_000


def test_the_app_has_the_fixes() -> None:
    app = build_app(Settings())
    assert isinstance(app.flow_control, FlowControl)
    assert app.transport.Consumer is Consumer


def test_the_group_timeouts_are_those_of_the_settings() -> None:
    conf = build_app(Settings(session_timeout=6.0, heartbeat=1.5)).conf
    assert conf.broker_session_timeout == 6.0
    assert conf.broker_heartbeat_interval == 1.5
    assert conf.broker_request_timeout > conf.broker_session_timeout


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl_over_tls_reaches_faust(mechanism: str) -> None:
    credentials = build_app(
        Settings(
            security_protocol="SASL_SSL",
            sasl_mechanism=mechanism,
            sasl_user="anna",
            sasl_password=Secret("hidden"),
        )
    ).conf.broker_credentials
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.mechanism.value == mechanism
    assert credentials.password == "hidden"
    assert credentials.ssl_context is not None
    assert "hidden" not in repr(credentials)


def test_tls_without_sasl_reaches_faust() -> None:
    credentials = build_app(Settings(security_protocol="SSL")).conf.broker_credentials
    assert credentials.protocol.value == "SSL"
    assert credentials.context.check_hostname


def test_the_workers_process_never_imports_what_the_model_needs() -> None:
    program = (
        "import sys\n"
        "from eventwire.streams import worker\n"
        "from eventwire.streams.app import build_app\n"
        "from eventwire.streams.settings import Settings\n"
        "build_app(Settings())\n"
        "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
