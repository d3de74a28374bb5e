"""The settings of `flowtier watch`: where changes are posted to, and which rise is one."""

import ssl
from pathlib import Path

from pydantic import Field, SecretStr

from pipeline.recommend_section import Share
from pipeline.sections import Section, ssl_context


class Watch(Section):
    """Who is told of changes, and which of them."""

    webhook: SecretStr | None = Field(None, description="URL that flowtier watch posts changes to")
    webhook_authorization: SecretStr | None = Field(None, description="value of its Authorization header")
    webhook_ca: Path | None = Field(
        None, description="PEM file of the authorities to trust; else the system's"
    )
    rise: Share = Field(
        0.01, description="told: the share of flows in the last hour rose by more, against the day before"
    )

    def ssl_context(self) -> ssl.SSLContext:
        """What TLS is spoken by with the webhook; raises SettingsError where the file cannot be read."""
        return ssl_context("WATCH_WEBHOOK", self.webhook_ca)
