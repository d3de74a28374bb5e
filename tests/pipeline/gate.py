"""A gate before the real Elasticsearch that turns some requests away, as a busy server would."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web

type Refuse = Callable[[bytes], int | None]  # a bulk body ▸ the status to refuse it with


@asynccontextmanager
async def gate(
    elasticsearch: str,
    refuse: Refuse,
    *,
    delay: float = 0,
    tls: ssl.SSLContext | None = None,
    seconds: float = 60,
) -> AsyncIterator[str]:
    """The URL of the gate, open for so many seconds at most; what is not refused is the real server's
    answer, `delay` seconds later. With `tls`, every request shakes hands anew."""

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {"x-elastic-product": "Elasticsearch"} | ({"connection": "close"} if tls else {})
        status = refuse(body)
        if status:
            return web.json_response(
                {"error": {"type": "refused"}, "status": status}, status=status, headers=headers
            )
        await asyncio.sleep(delay)
        told = ("content-type", "accept") if body else ("accept",)
        async with session.request(
            request.method,
            elasticsearch + request.path_qs,
            data=body or None,
            headers={name: request.headers[name] for name in told},
        ) as real:
            content_type = real.headers.get("content-type", "application/json")
            return web.Response(
                status=real.status, body=await real.read(), headers=headers | {"content-type": content_type}
            )

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    async with asyncio.timeout(seconds), ClientSession() as session:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
