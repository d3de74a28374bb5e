"""The settings of Kibana, where `flowtier dashboards push` brings the dashboards."""

import ssl
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.sections import Section, ssl_context


class Kibana(Section):
    """How to reach Kibana."""

    url: str = Field("http://127.0.0.1:5601", description="where it is, with its base path")
    space: str | None = Field(None, pattern=r"^[a-z0-9_-]+$", description="its space; else the default one")
    ca: Path | None = Field(None, description="PEM file of the authorities to trust; else the system's")
    verify: bool = Field(True, description="check the server's certificate")
    api_key: SecretStr | None = Field(None, description="API key, as Elasticsearch encoded it")
    username: str | None = Field(None, description="user, where there is no API key")
    password: SecretStr | None = Field(None, description="the user's password")

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must look like https://host:5601")
        if "@" in parts.netloc:
            raise ValueError("a user or password in a URL ends up in logs: set username and password")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.api_key and self.username:
            raise ValueError("FLOWTIER_KIBANA_API_KEY and …_USERNAME exclude each other: set one")
        if bool(self.username) != bool(self.password):
            raise ValueError("FLOWTIER_KIBANA_USERNAME and FLOWTIER_KIBANA_PASSWORD: set both or neither")
        return self

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS is spoken by, None without; raises SettingsError where the file cannot be read."""
        if not self.url.startswith("https:"):
            return None
        context = ssl_context("KIBANA", self.ca)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
