"""`flowtier recommendations` on the real Kafka: what is read, decided, pulled, and said of mistakes."""

import getpass
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from confluent_kafka.admin import AdminClient

from agents.cli import main
from agents.known_recommendations import RecommendationsError, name_of
from pipeline.recommend.recommendation import Decision
from pipeline.recommend.render import to_yaml
from tests.agents.installation import Installation
from tests.agents.recommended import MONDAY, manifest, put, recommendation
from tests.waiting import until

SCORED = ["Learning", "1", "1", "99.7%", "3 pairs, 256 addresses"]
FRONT, CART = "snp:shop/front", "snp:shop/cart"


def run(installed: Installation, *arguments: str, code: int = 0) -> str:
    """What the command printed; of a failure, what it said. In this process: a new one takes seconds."""
    out, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(said):
        for name, value in {**installed.environment, "COLUMNS": "500"}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["flowtier", "recommendations", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == code, said.getvalue()
    return out.getvalue() if code == 0 else said.getvalue()


def listed(installed: Installation, *arguments: str) -> dict[str, dict[str, Any]]:
    found = map(json.loads, run(installed, "list", "--json", *arguments).splitlines())
    return {each["name"]: each for each in found}


def decisions(installed: Installation) -> list[tuple[str, Decision | None]]:
    """Every record of the topic."""
    records = installed.records(installed.topics.decisions.name)
    return [
        (each.key().decode(), each.value() and msgspec.json.decode(each.value(), type=Decision))
        for each in records
    ]


@pytest.fixture
def shop(installation) -> Installation:
    """Where three policies of two namespaces are recommended, and one was withdrawn."""
    unscored = recommendation("pay", "front", 443, score=None)
    put(
        installation,
        recommendation("shop", "front", 80),
        recommendation("shop", "cart", 7070, 7071),
        unscored,
    )
    put(installation, recommendation("shop", "gone", 1), "snp:shop/gone")
    return installation


def test_the_list_says_how_far_each_is_to_be_trusted_and_what_was_decided(shop) -> None:
    put(shop, Decision(CART, "ignore", "jo", MONDAY, "legacy [x]"), CART)  # and the recommender withdrew it
    put(shop, Decision(FRONT, "accept", "jo", MONDAY, "", manifest("shop", "front", 80)))
    told = run(shop, "list")
    lines = [line.split("│")[1:-1] for line in told.splitlines() if "│" in line]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["front", "Learning", "1", "1", "-", "-"],
        ["front", *SCORED, "accepted by jo"],
    ]
    assert f"{CART}: ignored by jo: legacy [x]" in told
    assert [*listed(shop, "--namespace", "shop")] == [CART, FRONT]
    assert listed(shop)[FRONT]["recall"] == 0.997
    assert run(shop, "list", "--namespace", "none") == "Nothing is recommended.\n"


def test_show_has_the_manifest_and_what_it_was_made_from(shop) -> None:
    told = run(shop, "show", "shop/front")
    assert told.startswith(to_yaml(manifest("shop", "front", 80)))
    for said in (
        "tcp/80 to workload cart [a]",
        "1,200",
        "Learning: seen for 1 day of 7",
        "would cut:\n  tcp/9999 to workload audit",
        "one for the namespace",
        "30 pairs",
        "warnings:\n  its network set is empty",
        "an ephemeral port",
    ):
        assert said in told
    for name in ("cart", "shop/cart", CART):
        assert yaml.safe_load(run(shop, "show", name, "--yaml")) == manifest("shop", "cart", 7070, 7071)
    assert "too few hours" in run(shop, "show", "pay/front")
    told = json.loads(run(shop, "show", "cart", "--json"))
    assert told["recommendation"]["rules"][1]["says"] == "tcp/7071 to workload cart [a]"
    assert told["decision"] is None


def test_widenings_and_risks_of_rules_are_shown_in_words(installation) -> None:
    made = recommendation("shop", "front", 80)
    (rule,) = made.rules
    rule = msgspec.structs.replace(rule, widening="200 more addresses", risk="seen on one day only")
    put(installation, msgspec.structs.replace(made, rules=[rule], tightens="np:shop/all"))
    told = run(installation, "show", "front")
    assert "admits more than was seen:\n  tcp/80 to workload cart [a]: 200 more addresses" in told
    assert "may not hold:\n  tcp/80 to workload cart [a]: seen on one day only" in told
    assert "inside of what np:shop/all allows" in told


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("front", "'front' may be pay/front or shop/front: say which"),
        ("shop/frnt", "there is no 'shop/frnt'; did you mean shop/front or "),
        ("snp:shop/carts", "there is no 'snp:shop/carts'; did you mean shop/cart or "),
        ("zzz", "there is no 'zzz'; `flowtier recommendations list` shows all there are"),
        ("\x1b", "there is no '\\x1b'; "),
        ("", "there is no ''; "),
    ],
)
def test_a_wrong_name_is_one_sentence_with_what_comes_near(name, said) -> None:
    with pytest.raises(RecommendationsError) as told:
        name_of(name, ["snp:pay/front", FRONT, CART])
    assert str(told.value).startswith(said)


def test_a_wrong_name_decides_nothing(shop) -> None:
    for command in ("show", "accept", "ignore", "reopen"):
        told = run(shop, command, "front", code=2)
        assert told == "flowtier: 'front' may be pay/front or shop/front: say which\n"
    assert "there is no 'gone'; " in run(shop, "show", "gone", code=2)  # withdrawn
    assert "nothing was decided on snp:shop/front" in run(shop, "reopen", FRONT, code=2)
    assert decisions(shop) == []


def test_what_is_decided_stands_on_the_topic_until_it_is_taken_back(shop) -> None:
    assert run(shop, "accept", "cart", "--reason", "reviewed", "--by", "jo").startswith(
        f"{CART} is accepted by jo"
    )
    run(shop, "ignore", "shop/front")
    (cart, accepted), (front, ignored) = decisions(shop)
    assert accepted
    assert (cart, accepted.decision, accepted.by, accepted.reason) == (CART, "accept", "jo", "reviewed")
    assert accepted.manifest == manifest("shop", "cart", 7070, 7071)
    assert ignored
    assert (front, ignored.decision, ignored.by) == (FRONT, "ignore", getpass.getuser())
    assert ignored.manifest is None
    assert listed(shop)[FRONT]["decision"] == "ignore"

    assert run(shop, "reopen", "cart") == f"{CART} is open again.\n"
    assert decisions(shop)[2:] == [(CART, None)]
    assert listed(shop)[CART]["decision"] is None


def test_an_ignored_policy_can_be_shown_and_reopened_once_it_is_withdrawn_but_not_accepted(shop) -> None:
    run(shop, "ignore", "cart", "--by", "jo", "--reason", "legacy")
    put(shop, CART)
    assert f"{CART}: ignored by jo: legacy, 20" in run(shop, "show", "cart")
    assert "is ignored" in run(shop, "show", "cart", "--yaml", code=2)
    assert "reopen" in run(shop, "accept", "cart", code=2)
    run(shop, "reopen", "cart")
    assert CART not in listed(shop)


def files(directory: Path) -> dict[str, str]:
    return {str(file.relative_to(directory)): file.read_text() for file in directory.rglob("*.yaml*")}


def test_pull_writes_what_is_recommended_or_accepted_and_takes_away_what_is_ignored(shop, tmp_path) -> None:
    directory = tmp_path / "policies"
    told = run(shop, "pull", str(directory))
    assert told.count("created") == 3
    pulled = files(directory)
    assert pulled == {
        "pay/front.yaml": to_yaml(manifest("pay", "front", 443)),
        "shop/cart.yaml": to_yaml(manifest("shop", "cart", 7070, 7071)),
        "shop/front.yaml": to_yaml(manifest("shop", "front", 80)),
    }
    assert run(shop, "pull", str(directory)) == "3 policies are as they were.\n"
    run(shop, "pull", str(directory), "--check")

    run(shop, "accept", "cart")
    run(shop, "ignore", FRONT)
    put(shop, recommendation("shop", "cart", 1), recommendation("pay", "front", 443, 444))
    run(shop, "pull", str(directory), "--check", code=1)
    assert files(directory) == pulled
    assert run(shop, "pull", str(directory), "--namespace", "shop").count("removed") == 1
    assert files(directory) == {name: pulled[name] for name in ("pay/front.yaml", "shop/cart.yaml")}
    assert run(shop, "pull", str(directory)).count("updated") == 1


def test_pull_keeps_what_a_person_wrote_and_names_conflicts(shop, tmp_path) -> None:
    run(shop, "pull", str(tmp_path))
    for name in ("front", "cart"):
        file = tmp_path / "shop" / f"{name}.yaml"
        file.write_text(file.read_text().replace("order: 1500", "order: 7  # first"))
    other = manifest("shop", "cart", 7070)
    other["spec"]["order"] = 1400
    put(shop, recommendation("shop", "front", 80, 81), recommendation("shop", "cart", manifest=other))
    conflict = "conflict: spec.order: 7 by hand, 1400 recommended, 1500 before\n"
    assert run(shop, "pull", str(tmp_path), code=1) == f"{tmp_path / 'shop' / 'cart.yaml'}: {conflict}"
    merged = files(tmp_path)["shop/front.yaml"]
    assert "order: 7  # first" in merged
    assert yaml.safe_load(merged)["spec"]["egress"][1]["destination"]["ports"] == [81]
    assert files(tmp_path)["shop/cart.yaml.new"] == to_yaml(other)


def test_where_nothing_at_all_is_recommended_what_was_pulled_stays(installation, tmp_path) -> None:
    assert run(installation, "list") == "Nothing is recommended.\n"
    run(installation, "pull", str(tmp_path))
    put(installation, recommendation("shop", "front", 80))
    run(installation, "pull", str(tmp_path))
    put(installation, FRONT)
    assert "it is left as it is" in run(installation, "pull", str(tmp_path), code=2)
    assert [*files(tmp_path)] == ["shop/front.yaml"]


def newer() -> bytes:
    return msgspec.json.encode(recommendation("shop", "bad", 80, v=2))


WRONG = {
    "of another version": ("snp:shop/bad", newer(), "it is of version 2, and this program reads version 1"),
    "of another name": ("x", msgspec.json.encode(recommendation("shop", "a")), "it is of 'snp:shop/a'"),
    "no JSON": ("\x1b[31m", b"\xff{", "'\\x1b[31m' on topic"),
    "something else": ("snp:shop/bad", b"[]", "Expected `object`, got `array`"),
}


@pytest.mark.parametrize(("key", "value", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_read_is_told_and_never_taken_for_withdrawn(shop, tmp_path, key, value, said) -> None:
    run(shop, "pull", str(tmp_path))
    pulled = files(tmp_path)
    put(shop, (key, value))
    assert "front" in run(shop, "list")
    assert said in run(shop, "pull", str(tmp_path), code=2)
    assert files(tmp_path) == pulled


def test_topics_that_are_not_there_and_a_kafka_that_is_away_are_said_in_a_sentence(shop) -> None:
    admin, name = AdminClient({"bootstrap.servers": shop.kafka}), shop.topics.decisions.name
    admin.delete_topics([name])[name].result(20)
    until(lambda: name not in admin.list_topics(timeout=10).topics)
    told = run(shop, "accept", "cart", code=2)
    assert told.startswith(f"flowtier: topic {name} is not there")
    shop.kafka = "127.0.0.1:1"
    done = shop.run("recommendations", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert "flowtier: Kafka at 127.0.0.1:1 does not answer" in done.stderr.splitlines()[-1]
