"""A server that answers as Kibana's status, spaces and saved objects APIs are documented to."""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

type Json = dict[str, Any]


@dataclass(slots=True)
class StandIn:
    """What it holds and how it is minded; `objects` by space, type and id."""

    version: str = "9.5.4"
    spaces: set[str] = field(default_factory=lambda: {"default", "team"})
    objects: dict[tuple[str, str, str], Json] = field(default_factory=dict)
    login: str | None = None  # the Authorization header that is let in; None: anybody
    writes: bool = True  # whether whom it lets in may write
    unknown_types: frozenset[str] = frozenset()
    status: int = 200  # of /api/status

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._let_in])
        for prefix in ("", "/s/{space}"):
            app.router.add_get(f"{prefix}/api/status", self._status)
            app.router.add_get(f"{prefix}/api/spaces/space/{{id}}", self._space)
            app.router.add_post(f"{prefix}/api/saved_objects/_import", self._import)
        return app

    @web.middleware
    async def _let_in(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.login is not None and request.headers.get("Authorization") != self.login:
            return _error(401, "Unauthorized", "[security_exception]: missing authentication credentials")
        if request.method == "POST" and "kbn-xsrf" not in request.headers:
            return _error(400, "Bad Request", "Request must contain a kbn-xsrf header.")
        return await handler(request)

    async def _status(self, _request: web.Request) -> web.Response:
        if self.status != 200:
            return web.Response(status=self.status, text="Kibana server is not ready yet")
        number = {"number": self.version, "build_hash": "0" * 40, "build_snapshot": False}
        return web.json_response({"name": "kibana", "version": number, "status": {"overall": {}}})

    async def _space(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        if id_ not in self.spaces:
            return _error(404, "Not Found", "Not Found")
        return web.json_response({"id": id_, "name": id_, "disabledFeatures": []})

    async def _import(self, request: web.Request) -> web.Response:
        if not self.writes:
            return _error(403, "Forbidden", "Unable to bulk_create dashboard,index-pattern,search")
        part = await (await request.multipart()).next()
        assert isinstance(part, BodyPartReader)
        assert (part.name, part.filename) == ("file", "flowtier.ndjson")
        sent = [json.loads(line) for line in (await part.read()).splitlines()]
        space = request.match_info.get("space", "default")
        return web.json_response(self._take(space, sent, overwrite=request.query["overwrite"] == "true"))

    def _take(self, space: str, sent: list[Json], *, overwrite: bool) -> Json:
        """As documented: a conflict leaves that object out, every other error leaves out all of them."""
        sent = [each for each in sent if "exportedCount" not in each]
        there = {(each["type"], each["id"]) for each in sent} | {key[1:] for key in self.objects}
        errors, taken = [], []
        for each in sent:
            error = self._wrong_with(each, there)
            if not error and not overwrite and (space, each["type"], each["id"]) in self.objects:
                error = {"type": "conflict"}
            if error:
                errors.append({"id": each["id"], "type": each["type"], "error": error, "meta": {}})
            else:
                taken.append(each)
        if any(each["error"]["type"] != "conflict" for each in errors):
            taken = []
        self.objects |= {(space, each["type"], each["id"]): each for each in taken}
        answer = {"success": not errors, "successCount": len(taken), "warnings": []}
        return answer | ({"errors": errors} if errors else {})

    def _wrong_with(self, saved: Json, there: set[tuple[str, str]]) -> Json | None:
        if saved["type"] in self.unknown_types:
            return {"type": "unsupported_type"}
        missing = [
            {"type": each["type"], "id": each["id"]}
            for each in saved["references"]
            if each["type"] in ("index-pattern", "search") and (each["type"], each["id"]) not in there
        ]
        return {"type": "missing_references", "references": missing} if missing else None


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _error(status: int, error: str, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "error": error, "message": message}, status=status)


@contextmanager
def serving(app: web.Application, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its URL, while it answers in a thread of its own."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        return int(runner.addresses[0][1])

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
