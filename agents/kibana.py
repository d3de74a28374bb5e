"""Kibana's HTTP API, as far as dashboards are pushed: its version, its spaces, its saved objects."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from agents.reach import Names, ReachError, wrong_with
from pipeline.kibana_section import Kibana

OLDEST = (8, 19)  # what the dashboards are made for: this and everything after it
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)
_HEADERS = {"kbn-xsrf": "flowtier", "accept": "application/json"}
_NAMES = Names(
    address="--kibana or FLOWTIER_KIBANA_URL",
    protocol="--kibana or FLOWTIER_KIBANA_URL (http:// or https://)",
    ca="FLOWTIER_KIBANA_CA, or --no-verify where you know whom you talk to",
    client="Kibana's server.ssl.clientAuthentication, since we have none to show",
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What Kibana says of the objects that it was sent: how many it took, and why not the others."""

    version: str | None  # None where it does not tell
    count: int
    errors: list[dict[str, Any]]


async def import_objects(kibana: Kibana, ndjson: bytes, *, overwrite: bool) -> Imported:
    """Send saved objects; raises ReachError, in one sentence, where Kibana refuses us or is none."""
    async with _session(kibana) as session:
        try:
            version = await _version(kibana, session)
            await _find_space(kibana, session)
            body = await _import(kibana, session, ndjson, overwrite=overwrite)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ReachError(await asyncio.to_thread(_unreachable, kibana, error)) from None
    return Imported(version, body["successCount"], body.get("errors", []))


@asynccontextmanager
async def _session(kibana: Kibana) -> AsyncIterator[aiohttp.ClientSession]:
    headers = dict(_HEADERS)
    if kibana.api_key:
        headers["authorization"] = f"ApiKey {kibana.api_key.get_secret_value()}"
    if kibana.username and kibana.password:
        login = f"{kibana.username}:{kibana.password.get_secret_value()}"
        headers["authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    connector = aiohttp.TCPConnector(ssl=kibana.ssl_context() or True)
    async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=_TIMEOUT) as session:
        yield session


async def _version(kibana: Kibana, session: aiohttp.ClientSession) -> str | None:
    """The version that Kibana tells to whom it lets in; raises ReachError for one that is too old."""
    status, body = await _ask(session, "GET", f"{kibana.url}/api/status")
    _let_in(kibana, status, body)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise ReachError(f"Kibana at {kibana.url} is not ready yet: try again in a minute")
    if status != HTTPStatus.OK or "status" not in body:
        raise ReachError(f"what answers at {kibana.url} is not Kibana (HTTP {status}): see {_NAMES.address}")
    number = str(body.get("version", {}).get("number", ""))
    found = re.match(r"(\d+)\.(\d+)", number)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        raise ReachError(
            f"Kibana at {kibana.url} is {number}, and the dashboards need {OLDEST[0]}.{OLDEST[1]} or newer"
        )
    return number or None


async def _find_space(kibana: Kibana, session: aiohttp.ClientSession) -> None:
    """Raises ReachError for a space that is not there: an import into it would be taken and never seen."""
    if kibana.space is None:
        return
    status, body = await _ask(session, "GET", f"{kibana.url}/api/spaces/space/{quote(kibana.space)}")
    _let_in(kibana, status, body)
    if status == HTTPStatus.NOT_FOUND:
        raise ReachError(
            f"Kibana at {kibana.url} has no space {kibana.space}: see --space or FLOWTIER_KIBANA_SPACE"
        )


async def _import(
    kibana: Kibana, session: aiohttp.ClientSession, ndjson: bytes, *, overwrite: bool
) -> dict[str, Any]:
    form = aiohttp.FormData()
    form.add_field("file", ndjson, filename="flowtier.ndjson", content_type="application/ndjson")
    space = f"/s/{quote(kibana.space)}" if kibana.space else ""
    url = f"{kibana.url}{space}/api/saved_objects/_import?overwrite={str(overwrite).lower()}"
    status, body = await _ask(session, "POST", url, form)
    _let_in(kibana, status, body)
    if status != HTTPStatus.OK or "successCount" not in body:
        raise ReachError(f"Kibana at {kibana.url} does not take the dashboards: {_words(status, body)}")
    return body


async def _ask(
    session: aiohttp.ClientSession, method: str, url: str, data: aiohttp.FormData | None = None
) -> tuple[int, dict[str, Any]]:
    """(status, JSON object); what is no JSON object, such as a login page, is an empty one."""
    async with session.request(method, url, data=data, allow_redirects=False) as answer:
        text = await answer.text(errors="replace")
        try:
            body = json.loads(text)
        except ValueError:
            body = {}
        return answer.status, body if isinstance(body, dict) else {}


def _let_in(kibana: Kibana, status: int, body: dict[str, Any]) -> None:
    where = f"Kibana at {kibana.url}"
    if status == HTTPStatus.UNAUTHORIZED:
        raise ReachError(f"{where} does not let us in ({_words(status, body)}): see {_who(kibana)}")
    if status == HTTPStatus.FORBIDDEN:
        raise ReachError(
            f"{where} does not allow it ({_words(status, body)}): {_who(kibana)} needs the privilege"
            f" Saved Objects Management: All in space {kibana.space or 'default'}"
        )


def _who(kibana: Kibana) -> str:
    if kibana.api_key:
        return "FLOWTIER_KIBANA_API_KEY"
    if kibana.username:
        return "FLOWTIER_KIBANA_USERNAME"
    return "FLOWTIER_KIBANA_API_KEY, or …_USERNAME and …_PASSWORD: none is set"


def _words(status: int, body: dict[str, Any]) -> str:
    return f"HTTP {status}: {body['message']}" if body.get("message") else f"HTTP {status}"


def _unreachable(kibana: Kibana, error: Exception) -> str:
    parts = urlsplit(kibana.url)
    context = kibana.ssl_context()
    port = parts.port or (443 if context else 80)
    found = wrong_with(str(parts.hostname), port, context, _NAMES)
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    why = found or f"nobody answers ({words}): see {_NAMES.address}"
    return f"Kibana at {kibana.url}: {why}"
