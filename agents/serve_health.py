"""Answers /metrics, /health and /ready."""

from typing import Any

import structlog
from aiohttp import web
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from agents.health import Health
from pipeline.settings import Settings

log = structlog.get_logger(__name__)


class ServeHealth(Service):
    """/health: 200 as long as the worker lives, with what troubles it; /ready: 503 until it can judge."""

    def __init__(self, settings: Settings, health: Health, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._worker = settings.worker
        self._health = health
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        app = web.Application()
        app.router.add_get("/metrics", _metrics)
        app.router.add_get("/health", self._answer_health)
        app.router.add_get("/ready", self._answer_ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._worker.host, self._worker.port).start()
        log.info("serving /metrics, /health and /ready", address=self._runner.addresses[0])

    async def on_stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _answer_health(self, _: web.Request) -> web.Response:
        return web.json_response(self._health.as_json())

    async def _answer_ready(self, _: web.Request) -> web.Response:
        return web.json_response(self._health.as_json(), status=200 if self._health.ready else 503)


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
