"""Logs: one JSON object a line whoever speaks, and never a secret."""

import logging
from collections.abc import Callable

import orjson
import pytest
import structlog
from pydantic import SecretStr

from pipeline import logs
from pipeline.sections import Kafka, Logs

SECRET = "hush-hush"
KAFKA = Kafka(security_protocol="SASL_PLAINTEXT", sasl_username="ann", sasl_password=SecretStr(SECRET))


@pytest.fixture
def lines(capsys):
    """Configures logging as given and returns what reads the lines; all is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configured(**settings) -> Callable[[], str]:
        logs.configure(Logs(**settings))
        return lambda: capsys.readouterr().err

    yield configured
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_our_lines_are_json_objects(lines):
    written = lines()
    structlog.get_logger("flowtier").info("batch written", flows=3)
    line = orjson.loads(written())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "batch written", "flows": 3, "level": "info", "logger": "flowtier"}


def test_the_lines_of_libraries_are_json_objects_too(lines):
    written = lines()
    logging.getLogger("aiokafka.consumer").warning("heartbeat failed for %s", "group")
    line = orjson.loads(written())
    assert (line["event"], line["logger"]) == ("heartbeat failed for group", "aiokafka.consumer")


def test_an_exception_is_one_line_and_shows_no_local_variables(lines):
    written = lines()
    password = SECRET
    try:
        int(password[:0])
    except ValueError:
        structlog.get_logger("flowtier").exception("failed")
    text = written()
    assert "ValueError" in orjson.loads(text)["exception"]
    assert SECRET not in text


def test_what_is_below_the_level_is_left_out(lines):
    written = lines(level="warning")
    structlog.get_logger("flowtier").info("nobody needs this")
    assert not written()


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "values",
    [
        {"sasl_password": SECRET},
        {"options": KAFKA.confluent()},
        {"options": [KAFKA.aiokafka()]},
        {"settings": KAFKA},
        {"anything": SecretStr(SECRET)},
        {"headers": {"Authorization": f"ApiKey {SECRET}"}},
    ],
)
def test_secrets_are_not_written(lines, form, values):
    written = lines(format=form)
    structlog.get_logger("flowtier").info("starting", **values)
    logging.getLogger("aiokafka").info("starting", extra=values)
    text = written()
    assert text.count("starting") == 2
    assert SECRET not in text


@pytest.mark.parametrize(("level", "told"), [("debug", True), ("info", False), ("error", False)])
def test_single_requests_are_told_of_only_where_everything_is(lines, level, told):
    written = lines(level=level)
    logging.getLogger("elastic_transport.transport").info("GET /")
    assert ("GET /" in written()) is told


def test_what_is_sent_to_elasticsearch_is_never_logged(lines):
    written = lines(level="debug")
    logging.getLogger("elastic_transport.node").debug("> Authorization: Basic YW5u")
    assert "Authorization" not in written()
