"""Kafka and Elasticsearch together, for the demo, the tests and `make up`."""

import shutil
from typing import Self

from deploy.local.child import Child
from deploy.local.elasticsearch import elasticsearch
from deploy.local.fetch import fetch
from deploy.local.kafka import kafka
from deploy.local.place import give, local
from deploy.local.progress import step
from deploy.local.security import Security


class Stack:
    """Both servers, with data and logs in one folder; several stacks can run at once, each in its own.

    As a context it starts afresh, and stops what it started:

        with Stack("demo") as stack:
            print(stack.kafka, stack.elasticsearch)   # 127.0.0.1:21234, http://127.0.0.1:25678
    """

    def __init__(
        self, name: str, *, ports: tuple[int, int] | None = None, security: Security | None = None
    ) -> None:
        """`name` is the folder under `.local/`; `ports` of both are taken where they are free."""
        self.folder = local() / name
        self._security = security
        self._ports = ports or (None, None)
        found = {name: Child.find(self.folder / name) for name in ("elasticsearch", "kafka")}
        self.servers = {name: server for name, server in found.items() if server}

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self.servers["kafka"].address

    @property
    def elasticsearch(self) -> str:
        """URL."""
        return self.servers["elasticsearch"].address

    def is_running(self) -> bool:
        """Whether both were started, by this process or another one, and live."""
        return bool(self.servers) and all(server.is_alive() for server in self.servers.values())

    def start(self) -> None:
        """Starts both on the data that is there, and waits until they answer; raises StackError."""
        programs = fetch(local())
        give(self.folder)
        try:
            kafka_port, elasticsearch_port = self._ports
            folder, security = self.folder, self._security
            search = elasticsearch(folder / "elasticsearch", programs, elasticsearch_port, security)
            self._spawn("elasticsearch", search)  # the slower one first
            self._spawn("kafka", kafka(folder / "kafka", programs, kafka_port, security))
            for server in reversed(self.servers.values()):
                server.wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops what runs; nothing where nothing does."""
        for server in self.servers.values():
            with step(f"Stopping {server.name}"):
                server.stop()
        self.servers.clear()

    def remove(self) -> None:
        """Stops what runs, and forgets data and logs."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.remove()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self, name: str, server: Child) -> None:
        self.servers[name] = server
        server.spawn()
