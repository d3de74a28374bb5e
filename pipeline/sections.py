"""The groups of settings: their names, defaults and meanings, and what each hands to a client library."""

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from pipeline.user_error import UserError

PREFIX = "FLOWTIER_"
# Names that Kafka and its clients take.
NAME = r"^[a-zA-Z0-9._-]{1,200}$"
Positive = Annotated[int, Field(gt=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]


class SettingsError(UserError):
    """Settings that cannot be used; the message has one line for each, by the name to change."""


class Section(BaseModel):
    """A frozen group of settings; a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kafka(Section):
    """How to reach Kafka."""

    bootstrap: str = Field("127.0.0.1:9092", min_length=1, description="brokers, host:port, by commas")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="transport and authentication"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how the user is authenticated, with SASL_…"
    )
    sasl_username: str | None = Field(None, description="user, with SASL_…")
    sasl_password: SecretStr | None = Field(None, description="password, with SASL_…")
    ca: Path | None = Field(None, description="PEM file of the authorities to trust; else the system's")
    cert: Path | None = Field(None, description="PEM file of the client certificate")
    key: Path | None = Field(None, description="PEM file of the client certificate's key")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.uses_sasl and not (self.sasl_username and self.sasl_password):
            raise ValueError(
                f"FLOWTIER_KAFKA_SECURITY_PROTOCOL={self.security_protocol} needs"
                " FLOWTIER_KAFKA_SASL_USERNAME and FLOWTIER_KAFKA_SASL_PASSWORD"
            )
        if bool(self.cert) != bool(self.key):
            raise ValueError("FLOWTIER_KAFKA_CERT and FLOWTIER_KAFKA_KEY: set both or neither")
        return self

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    def confluent(self) -> dict[str, Any]:
        """Connection options of confluent-kafka's clients; holds the password, so never to be logged."""
        options: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
        }
        if self.uses_sasl and self.sasl_password:
            options["sasl.mechanism"] = self.sasl_mechanism
            options["sasl.username"] = self.sasl_username
            options["sasl.password"] = self.sasl_password.get_secret_value()
        if self.uses_tls:
            files = {"ca": self.ca, "certificate": self.cert, "key": self.key}
            options |= {f"ssl.{name}.location": str(file) for name, file in files.items() if file}
        return options

    def aiokafka(self) -> dict[str, Any]:
        """Connection options of aiokafka's clients; holds the password, so never to be logged.

        Raises SettingsError where a certificate file cannot be read.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.uses_sasl and self.sasl_password:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        if self.uses_tls:
            options["ssl_context"] = self.ssl_context()
        return options

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS is spoken by, None without; raises SettingsError where a file cannot be read."""
        return ssl_context("KAFKA", self.ca, self.cert, self.key) if self.uses_tls else None


def ssl_context(
    section: str, ca: Path | None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """What TLS a section's client speaks; raises SettingsError where a file cannot be read."""
    names, file = f"{PREFIX}{section}_CA", ca
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert:
            names, file = f"{PREFIX}{section}_CERT and {PREFIX}{section}_KEY", cert
            context.load_cert_chain(cert, key, password="")  # else a person would be asked
    except OSError as error:  # SSLError is one
        raise SettingsError(f"{names}: {file} cannot be used: {error.strerror or error}") from None
    return context


class Topics(Section):
    """The topics, as they are created."""

    prefix: str = Field("", pattern=r"^[a-zA-Z0-9._-]{0,100}$", description="put before every topic's name")
    partitions: Positive = Field(12, description="partitions of the topics that are shared among workers")
    replication_factor: Positive = Field(1, description="copies of each partition; 3 in production")
    observations_retention_days: Positive = Field(8, description="how long flow-observations are kept")
    rejects_retention_days: Positive = Field(30, description="how long flows-rejected are kept")


class Elasticsearch(Section):
    """How to reach Elasticsearch and how to write to it."""

    urls: Annotated[tuple[str, ...], NoDecode] = Field(
        ("http://127.0.0.1:9200",), min_length=1, description="nodes, by commas"
    )
    ca: Path | None = Field(None, description="PEM file of the authorities to trust; else the system's")
    verify: bool = Field(True, description="check the servers' certificates")
    api_key: SecretStr | None = Field(None, description="API key, as Elasticsearch encoded it")
    username: str | None = Field(None, description="user, where there is no API key")
    password: SecretStr | None = Field(None, description="the user's password")
    shards: Positive = Field(1, description="primary shards of a daily index")
    replicas: int = Field(0, ge=0, description="replicas of a daily index; 1 in production")
    bulk_bytes: Positive = Field(8 * 2**20, description="bytes of one bulk request at most")
    bulk_documents: Positive = Field(2_000, description="documents of one bulk request at most")
    bulk_concurrency: Positive = Field(2, description="bulk requests under way at once")
    timeout_seconds: PositiveSeconds = Field(60.0, description="a request that takes longer is tried again")

    @field_validator("urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("urls")
    @classmethod
    def _are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("each must look like https://host:9200")
            if "@" in parts.netloc:
                raise ValueError("a user or password in a URL ends up in logs: set username and password")
        return urls

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.api_key and self.username:
            raise ValueError("FLOWTIER_ELASTICSEARCH_API_KEY and …_USERNAME exclude each other: set one")
        if bool(self.username) != bool(self.password):
            raise ValueError(
                "FLOWTIER_ELASTICSEARCH_USERNAME and FLOWTIER_ELASTICSEARCH_PASSWORD: set both or neither"
            )
        return self

    @property
    def uses_tls(self) -> bool:
        return any(url.startswith("https:") for url in self.urls)

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS is spoken by, None without; raises SettingsError where the file cannot be read."""
        if not self.uses_tls:
            return None
        context = ssl_context("ELASTICSEARCH", self.ca)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def client_options(self) -> dict[str, Any]:
        """Arguments of `AsyncElasticsearch`; holds the secrets, so never to be logged."""
        options: dict[str, Any] = {"hosts": list(self.urls), "request_timeout": self.timeout_seconds}
        if self.api_key:
            options["api_key"] = self.api_key.get_secret_value()
        if self.username and self.password:
            options["basic_auth"] = (self.username, self.password.get_secret_value())
        if self.uses_tls:
            options["verify_certs"] = self.verify
            if self.ca:
                options["ca_certs"] = str(self.ca)
        return options


class Flows(Section):
    """What is taken as a flow."""

    retention_days: Positive = Field(
        8, description="older flows are rejects; how long the topic and the indices keep them"
    )
    max_ahead_hours: Positive = Field(24, description="flows that end further in the future are rejects")
    max_message_bytes: Positive = Field(16 * 2**20, description="larger messages are rejects")


class Facts(Section):
    """What is remembered about the cluster."""

    retention_days: Positive = Field(8, description="how long deleted pods are kept for late flows")


class Worker(Section):
    """How a worker takes its flows."""

    group: str = Field("flowtier", pattern=NAME, description="the workers' consumer group")
    instance: str | None = Field(
        None, pattern=NAME, description="a name kept over restarts: static membership"
    )
    host: str = Field("127.0.0.1", description="address of /metrics, /health and /ready")
    port: int = Field(6066, ge=0, le=65_535, description="their port; 0 takes a free one")
    batch_flows: Positive = Field(20_000, description="flows of one batch, about")
    batch_bytes: Positive = Field(16 * 2**20, description="bytes of one batch, about")
    batches_in_flight: Positive = Field(2, description="batches in memory at once")
    max_cells: Positive = Field(4_096, description="cells of an incomplete flow; above it is too_many")
    session_timeout_seconds: PositiveSeconds = Field(15.0, description="a worker silent so long is dead")
    heartbeat_seconds: PositiveSeconds = Field(3.0, description="how often it tells Kafka that it lives")
    status_seconds: PositiveSeconds = Field(5.0, description="how often it reports to topic workers")

    @model_validator(mode="after")
    def _heartbeat_fits(self) -> Self:
        if self.heartbeat_seconds * 3 > self.session_timeout_seconds:
            raise ValueError(
                "FLOWTIER_WORKER_HEARTBEAT_SECONDS must be a third of"
                " FLOWTIER_WORKER_SESSION_TIMEOUT_SECONDS at most"
            )
        return self


class Shipper(Section):
    """How a node ships its flow log."""

    node: str | None = Field(None, pattern=NAME, description="its name; else the host's")
    batch_bytes: Positive = Field(512 * 2**10, le=900_000, description="bytes of a message at most")
    batch_seconds: PositiveSeconds = Field(2.0, description="a flow waits this long for its batch at most")
    buffer_bytes: Positive = Field(64 * 2**20, description="held while Kafka is away at most")
    host: str = Field("127.0.0.1", description="address of the shipper's /metrics")
    port: int = Field(6067, ge=0, le=65_535, description="its port; 0 takes a free one")


class Logs(Section):
    """What the program says about itself."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least to be logged")
    format: Literal["json", "console"] = Field("json", description="one JSON object a line, or for eyes")
