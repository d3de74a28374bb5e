"""`flowtier watch` on the real Elasticsearch: what it prints and posts, and what it says of mistakes."""

import json
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.agents.installation import FLOWTIER, ROOT
from tests.agents.rolled_up import DAY, HOUR, edge, put_edges
from tests.waiting import until

NOW = int(time.time() * 1000)
TODAY = NOW // DAY * DAY
CART, OTHER = "snp:shop/cart", 'sgnp:ö "other"'


def denied(name: str, policies: list[str], at: int = TODAY, **changes: Any) -> dict[str, Any]:
    return edge(at, "web", name, window="day", verdict={"staged_deny": policies}, **changes)


def judged(flows: int, minutes: int, **verdict: Any) -> dict[str, Any]:
    """Flows of some minutes ago."""
    return edge(NOW - minutes * 60_000, window="interval", flows=flows, verdict=verdict)


class Watching:
    """`flowtier watch` as a child process."""

    def __init__(self, environment: dict[str, str], folder: Path, *arguments: str) -> None:
        self.out, self.said = folder / "out", folder / "said"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTIER_")}
        with self.out.open("wb") as out, self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [*FLOWTIER, "watch", "--every", "0.2", *arguments],
                cwd=ROOT,
                env=kept | environment,
                stdout=out,
                stderr=said,
            )

    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()

    def began(self) -> bool:
        assert self.process.poll() is None, self.said.read_text()
        return '"watching"' in self.said.read_text()

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


class Receiver(HTTPServer):
    """A server that answers posts with these statuses, then with 204, and keeps those that it took."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = list(statuses)
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        self.send_header("location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if status == 204:
            self.server.taken.append(json.loads(body))

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiving(*statuses: int, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    with Receiver(*statuses) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(elasticsearch, unique) -> dict[str, str]:
    return {"FLOWTIER_CLUSTER": unique, "FLOWTIER_ELASTICSEARCH_URLS": elasticsearch}


@pytest.fixture
def watching(environment, tmp_path):
    """Starts to watch; it has looked once."""
    started = []

    def start(*arguments: str, **more: str) -> Watching:
        started.append(Watching(environment | more, tmp_path, *arguments))
        until(started[-1].began)
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def words(line: str) -> str:
    return line.split(": ", 1)[1]


async def test_an_edge_that_was_never_denied_before_is_told_once(watching, search, unique):
    await put_edges(search, unique, [denied("old", [CART]), denied("older", [CART], TODAY - 300 * DAY)])
    watch = watching()
    # Known edges in another window, of another reporter; the known one of another policy is new.
    await put_edges(
        search,
        unique,
        [denied("old", [CART], reporter="src"), denied("older", [CART]), denied("old", [OTHER])],
    )
    until(watch.lines)
    late = denied("late", [CART, OTHER], TODAY - 8 * DAY, proto=None, dest_port=None)
    await put_edges(search, unique, [late])
    until(lambda: len(watch.lines()) == 3)
    assert watch.stop() == 0
    told = [words(line) for line in watch.lines()]
    assert told[0] == f"{OTHER} would deny an edge that it never denied before: shop/web → shop/old tcp/8080"
    assert sorted(told[1:]) == [
        f"{each} would deny an edge that it never denied before: shop/web → shop/late any/*"
        for each in (OTHER, CART)
    ]
    assert watch.lines()[0].split(": ")[0].endswith(f"Z {unique}")


async def test_many_new_edges_of_a_policy_are_one_line_with_the_largest_first(watching, search, unique):
    watch = watching("--json")
    many = [denied(f"w{n:04}", [CART], connections=n) for n in range(6_000)]
    await put_edges(search, unique, many)

    def told() -> list[dict[str, Any]]:
        return [json.loads(line) for line in watch.lines()]

    until(lambda: sum(each["edge_count"] for each in told()) == 6_000)
    assert watch.stop(signal.SIGTERM) == 0
    assert all(each["policy"] == CART and len(each["edges"]) <= 20 for each in told())
    assert told()[-1]["edges"][0] == {"source": "shop/web", "dest": "shop/w5999", "service": "tcp/8080"}


async def test_shares_that_rise_are_told_of_and_stale_verdicts_are_none(watching, search, unique):
    before = [
        judged(9_990, 180, agrees="yes"),
        judged(5, 200, agrees="action"),
        judged(5, 200, agrees="rule"),
        judged(9_000, 2_000, agrees="action"),  # longer than a day ago
    ]
    await put_edges(search, unique, [*before, judged(900, 30), judged(500, 30, agrees="stale")])
    watch = watching("--json")
    unknown = {"enforced": {"action": "unknown"}, "unknown": ["pod"], "agrees": None}
    await put_edges(search, unique, [judged(90, 20, **unknown), judged(100, 20, agrees="rule")])
    until(lambda: len(watch.lines()) == 2)
    assert watch.stop() == 0
    told = {each["change"]: each for each in map(json.loads, watch.lines())}
    disagreement, unknown = told["disagreement_rises"], told["unknown_rises"]
    assert (disagreement["flows"], disagreement["share"]) == (100, 0.1)
    assert disagreement["share_before"] == 0.001
    assert (unknown["flows"], unknown["why"]) == (90, ["pod"])
    assert unknown["share"] == pytest.approx(90 / 1_590)


async def test_a_restart_tells_what_came_meanwhile_and_nothing_twice(
    watching, search, unique, environment, tmp_path
):
    state = str(tmp_path / "state")
    await put_edges(search, unique, [denied("a", [CART])])
    first = watching("--state", state)
    await put_edges(search, unique, [denied("b", [CART])])
    until(first.lines)
    assert first.stop() == 0
    await put_edges(search, unique, [denied("c", [CART]), denied("late", [CART], TODAY - 100 * DAY)])
    second = Watching(environment, tmp_path, "--state", state)
    until(second.lines)
    assert second.stop() == 0
    [line] = second.lines()
    assert "would deny 2 edges" in line
    assert "shop/c" in line
    assert "shop/late" in line


async def test_a_webhook_that_is_busy_gets_each_change_in_the_end(watching, search, unique):
    with receiving(503, 429) as server:
        url = f"http://127.0.0.1:{server.server_port}/hooks/secret-part"
        watch = watching(FLOWTIER_WATCH_WEBHOOK=url, FLOWTIER_WATCH_WEBHOOK_AUTHORIZATION="Bearer hush-hush")
        await put_edges(search, unique, [denied("new", [CART])])
        until(lambda: server.taken)
        until(watch.lines)
        assert watch.stop() == 0
    assert [each["policy"] for each in server.taken] == [CART]
    assert [each["authorization"] for each in server.headers] == ["Bearer hush-hush"] * 3
    said = watch.said.read_text()
    assert "answers 503" in said
    assert "hush-hush" not in said
    assert "secret-part" not in said


@pytest.mark.parametrize("status", [301, 401, 404])
async def test_a_webhook_that_refuses_ends_it_with_a_sentence(status, watching, search, unique):
    with receiving(status) as server:
        watch = watching("--webhook", f"http://127.0.0.1:{server.server_port}/x")
        await put_edges(search, unique, [denied("new", [CART])])
        assert watch.process.wait(20) == 2
    assert f"refuses a change ({status})" in watch.said.read_text()
    assert "Traceback" not in watch.said.read_text()


async def test_a_webhook_is_spoken_to_only_by_tls_that_is_trusted(watching, search, unique, tmp_path):
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with receiving(context=context) as server:
        url = f"https://127.0.0.1:{server.server_port}/x"
        stranger = watching("--webhook", url)
        await put_edges(search, unique, [denied("one", [CART])])
        assert stranger.process.wait(20) == 2
        assert "see FLOWTIER_WATCH_WEBHOOK_CA" in stranger.said.read_text()
        assert server.taken == []
        watching("--webhook", url, FLOWTIER_WATCH_WEBHOOK_CA=str(tmp_path / "ca.pem"))
        await put_edges(search, unique, [denied("two", [CART])])
        until(lambda: server.taken)


@pytest.mark.parametrize(
    ("arguments", "more", "sentence"),
    [
        (["--webhook", "ftp://host"], {}, "the webhook must look like https://host/path"),
        (["--webhook", "nonsense"], {}, "the webhook must look like https://host/path"),
        (["--state", "BAD"], {}, "BAD holds nothing that flowtier watch kept"),
        (["--state", "OTHER"], {}, "OTHER is of cluster another, not of"),
        (["--state", "NOWHERE/state"], {}, "NOWHERE/state cannot be written"),
        (["--every", "0"], {}, "Invalid value for '--every'"),
        ([], {"FLOWTIER_WATCH_RISE": "7"}, "FLOWTIER_WATCH_RISE: must be less than 1"),
        (
            ["--webhook", "https://host"],
            {"FLOWTIER_WATCH_WEBHOOK_CA": "/nowhere.pem"},
            "FLOWTIER_WATCH_WEBHOOK_CA: /nowhere.pem cannot be used",
        ),
    ],
)
def test_a_mistake_is_said_in_a_sentence(arguments, more, sentence, environment, tmp_path):
    (tmp_path / "BAD").write_text("no JSON")
    (tmp_path / "OTHER").write_text('{"v": 1, "cluster": "another"}')
    places = [str(tmp_path / each) if each.isupper() or "NOWHERE" in each else each for each in arguments]
    watch = Watching(environment | more, tmp_path, *places)
    assert watch.process.wait(30) == 2
    said = watch.said.read_text().replace(f"{tmp_path}/", "")
    assert sentence in said
    assert "Traceback" not in said


def test_an_elasticsearch_that_is_away_is_waited_for(environment, tmp_path):
    watch = Watching(environment | {"FLOWTIER_ELASTICSEARCH_URLS": "http://127.0.0.1:9"}, tmp_path)
    until(lambda: "Elasticsearch is waited for" in watch.said.read_text())
    assert watch.stop() == 0


async def test_where_nothing_is_rolled_up_yet_the_first_denied_edge_is_told(watching, search, unique):
    watch = watching()
    await put_edges(search, unique, [denied("new", [CART], TODAY - HOUR)])
    until(watch.lines)
    assert watch.stop() == 0
