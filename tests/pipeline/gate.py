"""A gate before the real Elasticsearch that turns some bulk requests away, as a busy server would."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web

type Refuse = Callable[[bytes], int | None]  # a bulk body ▸ the status to refuse it with


@asynccontextmanager
async def gate(elasticsearch: str, refuse: Refuse) -> AsyncIterator[str]:
    """The URL of the gate; what is not refused is the real server's answer."""

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {"x-elastic-product": "Elasticsearch"}
        status = refuse(body)
        if status:
            return web.json_response(
                {"error": {"type": "refused"}, "status": status}, status=status, headers=headers
            )
        async with session.request(
            request.method,
            elasticsearch + request.path_qs,
            data=body,
            headers={name: request.headers[name] for name in ("content-type", "accept")},
        ) as real:
            content_type = real.headers["content-type"]
            return web.Response(
                status=real.status, body=await real.read(), headers=headers | {"content-type": content_type}
            )

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    async with asyncio.timeout(60), ClientSession() as session:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
