"""Posts changes to an address, each until it is taken."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import structlog

from pipeline.changes import Change, WatchError
from pipeline.watch_section import Watch

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds
_MAY_PASS = (408, 425, 429)


class Webhook:
    """An address that is away or busy is waited for; one that refuses us raises WatchError."""

    def __init__(self, url: str, settings: Watch) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WatchError(f"the webhook must look like https://host/path, not {parts.scheme or 'that'}")
        self._url = url
        self._where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # what follows may be a secret
        self._ssl = settings.ssl_context()
        self._headers = {"content-type": "application/json"}
        if settings.webhook_authorization:
            self._headers["authorization"] = settings.webhook_authorization.get_secret_value()

    async def post(self, change: Change) -> None:
        wait = _FIRST_WAIT
        while problem := await self._try_to_post(change.as_json()):
            log.warning("the webhook does not take a change; it is sent again", reason=problem, after=wait)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _try_to_post(self, body: bytes) -> str | None:
        """What is in the way, and may pass."""
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=self._headers, trust_env=True) as session,
                # Elsewhere our secret is of nobody's business.
                session.post(self._url, data=body, ssl=self._ssl, allow_redirects=False) as answer,
            ):
                status = answer.status
        except aiohttp.ClientConnectorCertificateError as error:
            reason = f"its certificate is not trusted ({error.certificate_error})"
            raise WatchError(f"{self._where}: {reason}: see FLOWTIER_WATCH_WEBHOOK_CA") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{self._where}: {type(error).__name__}: {error}"
        if 200 <= status < 300:
            return None
        if status >= 500 or status in _MAY_PASS:
            return f"{self._where} answers {status}"
        raise WatchError(f"{self._where} refuses a change ({status}): see its address and Authorization")
