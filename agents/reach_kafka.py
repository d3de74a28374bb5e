"""The first contact with Kafka, which says in one sentence why there is none."""

import logging
import re
import time
from collections.abc import Iterator, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, TopicMetadata

from agents.reach import AwayError, Names, ReachError, wrong_with
from pipeline.sections import Kafka, SettingsError

_TIMEOUT = 10.0
_STEP = 1.0
_PAUSE = 0.2
_NAMES = Names(
    address="FLOWTIER_KAFKA_BOOTSTRAP",
    protocol="FLOWTIER_KAFKA_SECURITY_PROTOCOL",
    ca="FLOWTIER_KAFKA_CA",
    client="FLOWTIER_KAFKA_CERT and FLOWTIER_KAFKA_KEY",
)
# Parts of what is said of a user who is not let in ▸ the settings to look at.
_USER = {
    "Unsupported SASL mechanism": "FLOWTIER_KAFKA_SASL_MECHANISM",
    "current SASL state": "FLOWTIER_KAFKA_SECURITY_PROTOCOL",
    "": "FLOWTIER_KAFKA_SASL_USERNAME and FLOWTIER_KAFKA_SASL_PASSWORD",
}


def list_topics(kafka: Kafka) -> Mapping[str, TopicMetadata]:
    """The topics that there are and that we may see.

    Raises ReachError where Kafka refuses us, as soon as it does, AwayError where nobody answers for some
    seconds; SettingsError where a certificate file cannot be read.
    """
    kafka.ssl_context()  # a file that cannot be used: told better than Kafka's client does
    heard = _Heard()
    admin = AdminClient(kafka.confluent() | {"error_cb": heard.errors.append}, logger=heard.logger)
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            return admin.list_topics(timeout=_STEP).topics
        except KafkaException as error:
            admin.poll(0)  # what it has to say
            problem = _of_user(kafka, heard.errors) or _of_tls(kafka)
            if problem:
                raise ReachError(problem) from None
            if time.monotonic() > deadline:
                reason = heard.last or error.args[0].str()
                raise AwayError(
                    f"Kafka at {kafka.bootstrap} does not answer: {reason}: see {_NAMES.address} and"
                    f" {_NAMES.protocol}"
                ) from None
            time.sleep(_PAUSE)


def trouble(kafka: Kafka) -> str | None:
    """Why one who comes now is not let in; None where it is."""
    try:
        list_topics(kafka)
    except (ReachError, SettingsError) as error:
        return str(error)
    return None


class _Heard(logging.Handler):
    """What Kafka's client says, kept instead of being logged: one sentence is made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[KafkaError] = []
        self.last = ""
        self.logger = logging.Logger("first contact")  # noqa: LOG001 - nobody else's: it reaches no log
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.last = _words(record.getMessage())


def _of_user(kafka: Kafka, errors: list[KafkaError]) -> str | None:
    refusals = (error.str() for error in errors if error.code() == KafkaError._AUTHENTICATION)  # noqa: SLF001
    for said in refusals:
        settings = next(names for part, names in _USER.items() if part in said)
        user = kafka.sasl_username
        return f"Kafka at {kafka.bootstrap} refuses user {user}: {_words(said)}: see {settings}"
    return None


def _of_tls(kafka: Kafka) -> str | None:
    for host, port in _addresses(kafka.bootstrap):
        found = wrong_with(host, port, kafka.ssl_context(), _NAMES)
        if found:
            return f"Kafka at {host}:{port}: {found}"
    return None


def _addresses(bootstrap: str) -> Iterator[tuple[str, int]]:
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition("://")[2].rpartition(":")
        if port.isdecimal():
            yield host.strip("[]"), int(port)


def _words(said: str) -> str:
    """What Kafka's client says, without its own threads, addresses and times."""
    return re.sub(r"^.*?/bootstrap: | \(after \d+ms in state \w+.*", "", said.rpartition("]: ")[2])
