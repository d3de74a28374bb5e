"""Settings: what is right is taken, what is wrong is named by the name to change, secrets stay hidden."""

import os
import ssl
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient
from elasticsearch import AsyncElasticsearch

from pipeline.cli.settings import settings as settings_command
from pipeline.settings import SettingsError, all_settings, load

DEFAULTS = Path(__file__).parents[1] / "cases" / "settings" / "defaults.json"

SASL = {
    "FLOWTIER_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "FLOWTIER_KAFKA_SASL_USERNAME": "ann",
    "FLOWTIER_KAFKA_SASL_PASSWORD": "hush-hush",
}

# environment, file, and every line of the error
WRONG = [
    (
        {"FLOWTIER_WORKER_PRT": "1"},
        "",
        ["FLOWTIER_WORKER_PRT: there is no such setting; did you mean FLOWTIER_WORKER_PORT?"],
    ),
    ({"FLOWTIER_XYZZY": "1"}, "", ["FLOWTIER_XYZZY: there is no such setting; `flowtier settings`"]),
    ({"FLOWTIER_KAFKA": "{}"}, "", ["FLOWTIER_KAFKA: there is no such setting"]),
    (
        {},
        "kafka: {bootsrap: x}",
        ["kafka.bootsrap in FILE: there is no such setting; did you mean kafka.bootstrap?"],
    ),
    ({}, "clustr: x", ["clustr in FILE: there is no such setting; did you mean cluster?"]),
    ({}, "kafka: 3", ["FLOWTIER_KAFKA: must be a valid dictionary"]),
    ({}, "a: [", ["FLOWTIER_SETTINGS: FILE is not a YAML file of settings"]),
    ({"FLOWTIER_SETTINGS": "/nowhere.yaml"}, "", ["FLOWTIER_SETTINGS: there is no file /nowhere.yaml"]),
    ({"FLOWTIER_CLUSTER": "Prod"}, "", ["FLOWTIER_CLUSTER: must match pattern"]),
    ({"FLOWTIER_CLUSTER": "a/../b"}, "", ["FLOWTIER_CLUSTER: must match pattern"]),
    ({"FLOWTIER_WORKER_PORT": "70000"}, "", ["FLOWTIER_WORKER_PORT: must be less than or equal to"]),
    ({"FLOWTIER_LOGS_LEVEL": "loud"}, "", ["FLOWTIER_LOGS_LEVEL: must be 'debug', 'info'"]),
    ({"FLOWTIER_EDGES_INTERVAL_SECONDS": "7"}, "", ["FLOWTIER_EDGES_INTERVAL_SECONDS: must divide 3600"]),
    ({"FLOWTIER_EDGES_THREAT_SELECTOR": "has("}, "", ["FLOWTIER_EDGES_THREAT_SELECTOR: is no selector"]),
    (
        {"FLOWTIER_WORKER_PORT": "x", "FLOWTIER_TOPICS_PARTITIONS": "0"},
        "",
        ["FLOWTIER_TOPICS_PARTITIONS: must be greater than 0", "FLOWTIER_WORKER_PORT: must be a valid"],
    ),
    (
        {"FLOWTIER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
        "",
        ["FLOWTIER_KAFKA_SECURITY_PROTOCOL=SASL_SSL needs FLOWTIER_KAFKA_SASL_USERNAME and"],
    ),
    ({"FLOWTIER_READINESS_DAYS": "31"}, "", ["FLOWTIER_READINESS_DAYS must be FLOWTIER_EDGES_HOUR_DAYS at"]),
    ({"FLOWTIER_READINESS_HOURS_OF_WEEK": "169"}, "", ["FLOWTIER_READINESS_HOURS_OF_WEEK: must be less"]),
    ({"FLOWTIER_KAFKA_CERT": "a.pem"}, "", ["FLOWTIER_KAFKA_CERT and FLOWTIER_KAFKA_KEY: set both"]),
    ({"FLOWTIER_ELASTICSEARCH_URLS": "host:9200"}, "", ["FLOWTIER_ELASTICSEARCH_URLS: each must"]),
    (
        {"FLOWTIER_ELASTICSEARCH_URLS": "https://ann:hush-hush@host:9200"},
        "",
        ["FLOWTIER_ELASTICSEARCH_URLS: a user or password in a URL ends up in logs"],
    ),
    ({"FLOWTIER_ELASTICSEARCH_USERNAME": "ann"}, "", ["FLOWTIER_ELASTICSEARCH_USERNAME and FLOWTIER_"]),
    (
        {"FLOWTIER_ELASTICSEARCH_USERNAME": "ann", "FLOWTIER_ELASTICSEARCH_API_KEY": "hush-hush"},
        "",
        ["FLOWTIER_ELASTICSEARCH_API_KEY and …_USERNAME exclude each other"],
    ),
    (
        {"FLOWTIER_WORKER_SESSION_TIMEOUT_SECONDS": "3"},
        "",
        ["FLOWTIER_WORKER_HEARTBEAT_SECONDS must be a third of FLOWTIER_WORKER_SESSION_TIMEOUT_SECONDS"],
    ),
]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith("FLOWTIER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def give(environment: dict[str, str], file: str = "") -> Path:
        path = tmp_path / "settings.yaml"
        if file:
            path.write_text(file)
            monkeypatch.setenv("FLOWTIER_SETTINGS", str(path))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return path

    return give


def test_defaults_are_the_golden_ones():
    """Rewrite with: flowtier settings --json > tests/cases/settings/defaults.json"""
    answer = CliRunner().invoke(settings_command, ["--json"])
    assert orjson.loads(answer.output) == orjson.loads(DEFAULTS.read_bytes())


def test_every_setting_has_a_meaning_and_its_own_name():
    settings = list(all_settings())
    assert all(setting.meaning for setting in settings)
    assert len({setting.env for setting in settings}) == len(settings)


@pytest.mark.parametrize(("environment", "file", "lines"), WRONG)
def test_each_wrong_setting_is_named_on_a_line_of_its_own(given, environment, file, lines):
    path = given(environment, file)
    with pytest.raises(SettingsError) as error:
        load()
    told = str(error.value).replace(str(path), "FILE").splitlines()
    assert len(told) >= len(lines)
    assert all(line.startswith(start) for line, start in zip(told, lines, strict=False))
    assert "hush-hush" not in str(error.value)


def test_the_environment_wins_over_the_file(given):
    given({"FLOWTIER_WORKER_PORT": "1"}, "cluster: prod\nworker: {port: 2, max_cells: 3}")
    settings = load()
    assert (settings.cluster, settings.worker.port, settings.worker.max_cells) == ("prod", 1, 3)


def test_an_empty_variable_is_as_good_as_none(given):
    given({"FLOWTIER_KAFKA_SASL_USERNAME": "", "FLOWTIER_WORKER_PORT": ""})
    assert load().worker.port == 6066


def test_several_urls_stand_in_one_variable(given):
    given({"FLOWTIER_ELASTICSEARCH_URLS": "https://a:9200, https://b:9200"})
    assert load().elasticsearch.urls == ("https://a:9200", "https://b:9200")


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().worker.port = 1  # type: ignore[misc]


def test_confluent_takes_what_is_set_for_kafka(given):
    given(SASL)
    options = load().kafka.confluent()
    assert options["sasl.password"] == "hush-hush"
    AdminClient(options)  # refuses options that it does not know


async def test_aiokafka_takes_what_is_set_for_kafka(given):
    given(SASL)
    await AIOKafkaConsumer(**load().kafka.aiokafka()).stop()  # refuses arguments that it does not know


def test_kafka_over_tls_checks_the_broker(given):
    given({"FLOWTIER_KAFKA_SECURITY_PROTOCOL": "SSL"})
    context = load().kafka.aiokafka()["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_certificate_file_that_is_not_there_is_told_by_name(given):
    given({"FLOWTIER_KAFKA_SECURITY_PROTOCOL": "SSL", "FLOWTIER_KAFKA_CA": "/nowhere.pem"})
    with pytest.raises(SettingsError, match="FLOWTIER_KAFKA_CA"):
        load().kafka.aiokafka()


async def test_elasticsearch_takes_what_is_set_for_it(given):
    given({"FLOWTIER_ELASTICSEARCH_URLS": "https://a:9200", "FLOWTIER_ELASTICSEARCH_API_KEY": "hush-hush"})
    async with AsyncElasticsearch(**load().elasticsearch.client_options()) as client:
        assert client._headers["authorization"] == "ApiKey hush-hush"


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_the_command_hides_secrets(given, arguments):
    given(SASL)
    answer = CliRunner().invoke(settings_command, arguments)
    assert answer.exit_code == 0
    assert "***" in answer.output
    assert "hush-hush" not in answer.output


def test_secrets_stay_hidden_when_settings_are_printed(given):
    given(SASL)
    assert "hush-hush" not in repr(load())
