"""`flowtier dashboards push`: to a server that answers as Kibana is documented to, and to the real one where
Docker runs; what went wrong is said in one sentence, and no secret with it."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from dashboards import BUILT
from tests import containers
from tests.dashboards.flowtier import Ran, run
from tests.dashboards.stand_in import StandIn, basic, serving

OBJECTS = len(BUILT.read_text().splitlines())
SECRET = "hush-hush-7f3a"


@pytest.fixture
def kibana() -> StandIn:
    return StandIn()


@pytest.fixture
def url(kibana) -> Iterator[str]:
    with serving(kibana.app()) as url:
        yield url


@pytest.fixture(params=["stand-in", *containers.KIBANAS], scope="module")
def any_kibana(request) -> Iterator[str]:
    """The documented answers, and the real ones."""
    if request.param == "stand-in":
        with serving(StandIn().app()) as url:
            yield url
    elif containers.available():
        with containers.kibana(request.param) as url:
            yield url
    else:
        pytest.skip("Docker does not run here: Kibana's documented answers are tested, the real ones are not")


def push(url: str, *options: str, **environment: str) -> Ran:
    given = {f"FLOWTIER_KIBANA_{name.upper()}": value for name, value in environment.items()}
    ran = run("push", "--kibana", url, *options, environment=given)
    assert SECRET not in ran.out + ran.said
    return ran


def sentence(ran: Ran) -> str:
    """What it said when nothing could be brought: one line, without a traceback."""
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.said.splitlines()
    return line.removeprefix("flowtier: ")


@pytest.mark.xdist_group("kibana")
def test_everything_is_brought_once_left_then_and_replaced_by_choice(any_kibana):
    first = push(any_kibana)
    assert first.code == 0, first.said
    assert first.out.startswith(f"{OBJECTS} objects brought to Kibana ")
    assert f"Look at {any_kibana}/app/dashboards#/view/flowtier-overview" in first.out
    again = push(any_kibana)
    assert again.code == 1
    assert again.out.startswith("0 objects brought")
    assert again.said.startswith(f"{OBJECTS} are there already and were left (--overwrite replaces them): ")
    assert "dashboard flowtier-overview" in again.said
    replaced = push(any_kibana, "--overwrite")
    assert (replaced.code, replaced.said) == (0, "")
    assert replaced.out.startswith(f"{OBJECTS} objects brought")


@pytest.mark.xdist_group("kibana")
def test_a_space_that_is_not_there_is_told_of(any_kibana):
    assert sentence(push(any_kibana, "--space", "nowhere")) == (
        f"Kibana at {any_kibana} has no space nowhere: see --space or FLOWTIER_KIBANA_SPACE"
    )


def test_what_is_brought_is_the_file(kibana, url):
    push(url)
    assert {(each["type"], each["id"]) for each in kibana.objects.values()} == {
        key[1:] for key in kibana.objects
    }
    assert len(kibana.objects) == OBJECTS


@pytest.mark.parametrize(
    "how", [{"options": ("--space", "team")}, {"space": "team"}], ids=["option", "setting"]
)
def test_they_go_into_the_space_that_is_named(kibana, url, how):
    given = dict(how)
    ran = push(url, *given.pop("options", ()), **given)
    assert {key[0] for key in kibana.objects} == {"team"}
    assert f"at {url}, space team. Look at {url}/s/team/app/dashboards#/view/flowtier-overview" in ran.out


def test_what_is_there_is_left_and_the_rest_is_brought(kibana, url):
    push(url)
    mine = {"type": "dashboard", "id": "flowtier-overview", "attributes": {"title": "Mine"}}
    kibana.objects = {("default", "dashboard", "flowtier-overview"): mine}
    ran = push(url)
    assert ran.code == 1
    assert ran.out.startswith(f"{OBJECTS - 1} objects brought")
    assert ran.said == (
        "1 are there already and were left (--overwrite replaces them): dashboard flowtier-overview\n"
    )
    assert kibana.objects["default", "dashboard", "flowtier-overview"] == mine


def test_the_url_may_be_a_setting_and_end_with_a_slash(url):
    ran = run("push", environment={"FLOWTIER_KIBANA_URL": f"{url}/"})
    assert ran.code == 0
    assert f"at {url}. Look at {url}/app/" in ran.out


def test_missing_references_are_named(url, monkeypatch, tmp_path):
    file = tmp_path / "flowtier.ndjson"
    lines = BUILT.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if json.loads(line)["type"] == "dashboard") + "\n")
    monkeypatch.setattr("agents.dashboards_commands.BUILT", file)
    ran = push(url)
    assert ran.code == 1
    assert ran.out.startswith("0 objects brought")
    assert "Look at" not in ran.out
    assert "dashboard flowtier-flow-logs: it needs what this Kibana does not have: " in ran.said


def test_an_object_of_a_kind_that_it_does_not_know_is_named(kibana, url):
    kibana.unknown_types = frozenset({"search"})
    ran = push(url)
    assert ran.code == 1
    assert "search flowtier-flows: this Kibana does not know objects of this kind" in ran.said.splitlines()


@pytest.mark.parametrize(
    ("login", "settings"),
    [
        (f"ApiKey {SECRET}", {"api_key": SECRET}),
        (basic("ann", SECRET), {"username": "ann", "password": SECRET}),
    ],
    ids=["API key", "basic"],
)
def test_who_has_a_right_login_is_let_in(kibana, url, login, settings):
    kibana.login = login
    assert push(url, **settings).code == 0


@pytest.mark.parametrize(
    ("settings", "see"),
    [
        ({}, "FLOWTIER_KIBANA_API_KEY, or …_USERNAME and …_PASSWORD: none is set"),
        ({"api_key": SECRET}, "FLOWTIER_KIBANA_API_KEY"),
        ({"username": "ann", "password": SECRET}, "FLOWTIER_KIBANA_USERNAME"),
    ],
    ids=["none", "API key", "basic"],
)
def test_a_wrong_login_is_told_with_the_setting(kibana, url, settings, see):
    kibana.login = "ApiKey another"
    assert sentence(push(url, **settings)) == (
        f"Kibana at {url} does not let us in (HTTP 401: [security_exception]: missing authentication"
        f" credentials): see {see}"
    )


def test_a_login_without_the_right_is_told_what_it_needs(kibana, url):
    kibana.login, kibana.writes = f"ApiKey {SECRET}", False
    assert sentence(push(url, api_key=SECRET)) == (
        f"Kibana at {url} does not allow it (HTTP 403: Unable to bulk_create dashboard,index-pattern,search):"
        " FLOWTIER_KIBANA_API_KEY needs the privilege Saved Objects Management: All in space default"
    )


@pytest.mark.parametrize("version", ["7.17.18", "8.18.4"])
def test_an_older_version_is_told_of_and_nothing_is_brought(kibana, url, version):
    kibana.version = version
    assert sentence(push(url)) == f"Kibana at {url} is {version}, and the dashboards need 8.19 or newer"
    assert not kibana.objects


@pytest.mark.parametrize("version", ["8.19.0", "9.0.0-SNAPSHOT", "10.1.2"])
def test_versions_from_8_19_on_are_taken(kibana, url, version):
    kibana.version = version
    assert push(url).out.startswith(f"{OBJECTS} objects brought to Kibana {version} at {url}.")


def test_one_that_starts_is_told_of(kibana, url):
    kibana.status = 503
    assert sentence(push(url)) == f"Kibana at {url} is not ready yet: try again in a minute"


async def _elasticsearch(_request: web.Request) -> web.Response:
    return web.json_response({"error": "no handler found for uri [/api/status]"}, status=400)


async def _login_page(_request: web.Request) -> web.Response:
    return web.Response(text="<html>Sign in</html>", content_type="text/html")


async def _redirect(_request: web.Request) -> web.Response:
    raise web.HTTPFound("https://login.example.com")


@pytest.mark.parametrize(("answer", "status"), [(_elasticsearch, 400), (_login_page, 200), (_redirect, 302)])
def test_what_is_not_kibana_is_told_of(answer, status):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    with serving(app) as url:
        assert sentence(push(url)) == (
            f"what answers at {url} is not Kibana (HTTP {status}): see --kibana or FLOWTIER_KIBANA_URL"
        )


def test_nobody_there_is_told_of(url_of_nobody):
    assert sentence(push(url_of_nobody)).startswith(
        f"Kibana at {url_of_nobody}: nobody answers (Connect call failed"
    )


@pytest.fixture
def url_of_nobody() -> str:
    with serving(web.Application()) as url:
        pass
    return url


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_url(kibana, authority) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(kibana.app(), context) as url:
        yield url


def test_tls_is_spoken_with_the_authority_that_is_named(secure_url, authority, tmp_path):
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    assert push(secure_url, ca=str(file)).code == 0


def test_an_unknown_authority_is_told_of_and_taken_by_choice(secure_url):
    assert "no authority that we trust signed its certificate" in sentence(push(secure_url))
    assert push(secure_url, "--no-verify").code == 0
    assert push(secure_url, "--overwrite", verify="false").code == 0


def test_plain_text_and_tls_are_told_apart(url, secure_url):
    assert "it does not speak TLS" in sentence(push(url.replace("http:", "https:")))
    assert "it speaks TLS, and we do not" in sentence(push(secure_url.replace("https:", "http:")))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kibana", "kibana:5601"], "--kibana: must look like https://host:5601"),
        (
            ["--kibana", f"https://ann:{SECRET}@kibana"],
            "--kibana: a user or password in a URL ends up in logs: set",
        ),
        (["--space", "a/../b"], "--space: must match pattern"),
    ],
)
def test_wrong_options_are_told_by_name(options, said):
    ran = run("push", *options)
    assert ran.code == 2
    assert ran.said.startswith(f"flowtier: {said}")
    assert SECRET not in ran.said


def test_it_needs_nothing_that_only_developers_have():
    """What is shipped is built: kb-dashboard-core is no dependency of ours."""
    script = (
        "import sys; sys.modules['kb_dashboard_core'] = None; import agents.cli;"
        " from dashboards.bundled import bundled; print(len(list(bundled())))"
    )
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(BUILT).parents[2], capture_output=True, text=True, check=True
    )
    assert int(made.stdout) == 8
