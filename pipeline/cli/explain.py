"""`flowtier explain`: why one flow is allowed or denied, rule by rule, under one or two revisions."""

import sys
import time
from itertools import islice
from typing import Any, Literal

import click
import msgspec
from rich.console import Console

from pipeline.cli.in_force import InForce
from pipeline.cli.sources import IN_FORCE, read_whole
from pipeline.cli.times import Moment
from pipeline.cli.worlds import FACTS_HELP, beside_each, read_facts
from pipeline.explain.as_text import render
from pipeline.explain.run import World, explain_flow, record_of
from pipeline.explain.typed import FlowError, typed_record
from pipeline.facts import Facts
from pipeline.flow_files import STANDARD_INPUT, open_lines
from pipeline.who import PROTOCOL_WORDS

type Reporter = Literal["src", "dst", "both"]

REPORTERS = {"src": ("src",), "dst": ("dst",), "both": ("src", "dst")}
MOST_SOURCES = 2
END = "a pod or workload (shop/web), an address, a host, or public, private"


class _Port(click.ParamType):
    """A port, with its protocol or without: 443, 53/udp, and of ICMP type/code as in 8/0/icmp."""

    name = "port"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number, *more = value.split("/")
        if more[1:] == ["icmp"] and number.isdigit() and more[0].isdigit():
            number, more = str(int(number) << 8 | int(more[0])), more[1:]
        if not number.isdigit() or int(number) > 0xFFFF or len(more) > 1:
            self.fail(f"{value!r}: write 443, 53/udp or, of ICMP, TYPE/CODE/icmp", param, ctx)
        return int(number), more[0] if more else ""


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="POLICIES [OTHER_POLICIES]")
@click.option("--from", "source", metavar="END", help=f"Where the flow comes from: {END}.")
@click.option("--to", "dest", metavar="END", help="Where it goes: the same, or a domain.")
@click.option("--port", type=_Port(), metavar="PORT", help="Its destination port: 443, 53/udp, 8/0/icmp.")
@click.option("--proto", "protocol", metavar="NAME", help="Its protocol, by name or number.  [default: tcp]")
@click.option("--source-port", type=click.IntRange(0, 0xFFFF), help="Its source port; else any.")
@click.option("--at", type=Moment(), help="When it was: 2h ago, or a time; else now.")
@click.option(
    "--flow", "line", metavar="FILE:LINE", help="A recorded flow in the place of these; - is input."
)
@click.option(
    "--id", "document", metavar="ID", help="A recorded flow by its document's _id in Elasticsearch."
)
@click.option(
    "--reporter",
    type=click.Choice(list(REPORTERS)),
    help="Whose judgement: the source's (egress), the destination's (ingress), or both.  [default: both, of a"
    " recorded flow its own]",
)
@click.option("--facts", "facts_from", multiple=True, metavar="PATH", help=FACTS_HELP)
@click.option("--all", "everything", is_flag=True, help="Also rules that are not reached, and all policies.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, with everything.")
@click.option("--max-cells", default=4096, show_default=True, help="Completions of what is missing to try.")
@click.pass_obj
def explain(
    in_force: InForce,
    /,
    sources: tuple[str, ...],
    source: str | None,
    dest: str | None,
    port: tuple[int, str] | None,
    protocol: str | None,
    source_port: int | None,
    at: float | None,
    line: str | None,
    document: str | None,
    reporter: Reporter | None,
    facts_from: tuple[str, ...],
    max_cells: int,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    """Say why a flow is allowed or denied: which policies select its ends, which rule decides, why others do
    not match, and what is not known of it.

    POLICIES are a directory, a git revision (origin/main:policies), or `cluster` for what is in force; with
    two the flow is explained under each. Exit code 0, whatever the verdict.
    """
    if len(sources) > MOST_SOURCES:
        raise click.UsageError("a flow is explained under one or two revisions")
    ways = [way for way in (source or dest, line, document) if way]
    if len(ways) != 1 or (bool(source) != bool(dest)):
        raise click.UsageError("name one flow: by --from and --to, by --flow FILE:LINE, or by --id")
    console = Console(stderr=True)
    read = [read_whole(name, in_force, console) for name in sources]
    facts = read_facts(facts_from, in_force, of_cluster=document is not None or IN_FORCE in sources)
    worlds = [World(each.name, each.policies, own) for each, own in beside_each(read, facts)]
    if source and dest:
        number, of_port = port or (None, "")
        spoken = _protocol(protocol or of_port or "tcp")
        moment = time.time() if at is None else at
        record = typed_record(source, dest, spoken, number, source_port, _all(worlds), moment)
    else:
        record = record_of(_line(line) if line else in_force.document(document or ""))
    chosen = reporter or ("both" if source else record["reporter"][:3])
    found = explain_flow(record, worlds, REPORTERS.get(chosen, REPORTERS["both"]), max_cells)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    else:
        render(found, Console(), everything=everything)


def _all(worlds: list[World]) -> Facts:
    """Whom the flow's ends are looked for in: what the last of the sources knows."""
    return worlds[-1].facts


def _protocol(text: str) -> str:
    known = {*PROTOCOL_WORDS.values(), "icmpv6"}
    if text.lower() in known or (text.isdigit() and int(text) <= 0xFF):
        return text.lower()
    raise FlowError(f"{text}: no protocol; known are {', '.join(sorted(known))}, and numbers up to 255")


def _line(text: str) -> bytes:
    """One line of a flow file, FILE:LINE, the first where no line is named."""
    name, _, number = text.rpartition(":")
    if not (name and number.isdigit()):
        name, number = text, "1"
    try:
        with open_lines(name) as lines:
            found = next(islice(lines, int(number) - 1, None), None) if int(number) else None
    except OSError as error:
        raise FlowError(f"{name}: {error.strerror or error}") from None
    if found is None:
        where = "standard input" if name == STANDARD_INPUT else name
        raise FlowError(f"{where} has no line {number}")
    return found
