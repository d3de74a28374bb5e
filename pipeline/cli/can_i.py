"""`flowtier can-i`: whether somebody may do something to a policy, and who may do what in which tier."""

import sys
from collections.abc import Iterable, Sequence

import click
import msgspec
from rich.console import Console

from pipeline.cli.can_i_report import CanI, GrantedBy, Matrix, can_i_report, matrix_rows, warnings_of
from pipeline.cli.can_i_table import table_of
from pipeline.cli.in_force import InForce
from pipeline.cli.sources import IN_FORCE, SourceError, read_source
from pipeline.policy.can_i import NAMELESS, SERVED, VERBS, Target, Verb
from pipeline.policy.load import Loaded
from pipeline.policy.order import all_tiers
from pipeline.policy.policies import MODEL_KINDS, Policy, PolicyKey, Tier
from pipeline.policy.rbac import Rbac, Rights, Who
from pipeline.policy.rbac_matrix import matrix, mentioned_tiers, subjects

REFUSED = 1  # exit code: it is not allowed
MOVING = ("update", "patch")  # verbs that can take a policy from one tier to another
_FORM = "as traces do: np:namespace/name, gnp:name, snp:namespace/name, …"


@click.command("can-i")
@click.argument("verb", type=click.Choice(VERBS), required=False, metavar="[VERB]")
@click.argument("policy", required=False)
@click.option("--as", "user", help="The user; a service account is system:serviceaccount:NAMESPACE:NAME.")
@click.option("--group", "groups", multiple=True, help="A group of the user's. May be repeated.")
@click.option(
    "--rbac",
    "rbac_",
    multiple=True,
    required=True,
    help="Where roles and bindings are: a directory, a file, or a git revision. May be repeated.",
)
@click.option(
    "--policies",
    multiple=True,
    help="Where tiers and policies are, if elsewhere; as --rbac. May be repeated.",
)
@click.option("--tier", help="The policy's tier, where it is not among the manifests.")
@click.option("--to-tier", help="With update and patch: the tier that it is moved to.")
@click.option("--list", "everything", is_flag=True, help="All that the user may do, or that anybody may.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def can_i(
    in_force: InForce,
    verb: Verb | None,
    policy: str | None,
    *,
    user: str | None,
    groups: tuple[str, ...],
    rbac_: tuple[str, ...],
    policies: tuple[str, ...],
    tier: str | None,
    to_tier: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Say whether the user may do VERB to POLICY, which rules grant it, or which permission is missing.

    VERB is get, list, watch, create, update, patch, delete or deletecollection. POLICY is named as in traces:
    np:namespace/name, gnp:name, snp:namespace/name; without a name (np:namespace/) where VERB has none.

    Exit code 1: it is not allowed.
    """
    rbac, known = _read(rbac_, policies, in_force)
    if everything:
        if verb or tier or to_tier:
            raise click.UsageError("--list asks for everything: leave VERB, POLICY and tiers out.")
        asked = [Who.of(user or "", groups)] if user or groups else subjects(rbac)
        _tell_matrix([rbac.rights_of(who) for who in asked], _tiers(rbac, known), as_json=as_json)
        return
    if not (verb and policy):
        raise click.UsageError("say what is asked: VERB and POLICY, or --list.")
    if not user:
        raise click.UsageError("say who asks: --as USER.")
    key = _key(policy, verb)
    target = _target(key, verb, tier or _tier_of(key, known), to_tier, bool(tier))
    rights = rbac.rights_of(Who.of(user, groups))
    report = can_i_report(rights, verb, target, policy, _tiers(rbac, known), known)
    _tell(report, as_json=as_json)
    if not report.allowed:
        raise SystemExit(REFUSED)


def _read(rbac: Iterable[str], policies: Iterable[str], in_force: InForce) -> tuple[Rbac, list[Loaded]]:
    """RBAC, and all that was loaded. Raises SourceError where a source holds no RBAC."""
    loaded = [_of_rbac(text, in_force) for text in rbac]
    known = [*loaded, *(_whole(text, in_force) for text in policies)]
    return Rbac.of(*loaded), known


def _of_rbac(text: str, in_force: InForce) -> Loaded:
    if text == IN_FORCE:
        raise SourceError("--rbac cluster: no RBAC is published; name a directory or a git revision")
    loaded = _whole(text, in_force)
    if not loaded.rbac:
        raise SourceError(f"--rbac {text}: holds no role and no binding (rbac.authorization.k8s.io/v1)")
    return loaded


def _whole(text: str, in_force: InForce) -> Loaded:
    """Raises ManifestError where anything is wrong: what cannot be read might grant something."""
    loaded = read_source(text, in_force).loaded
    loaded.require()
    loaded.require_rbac()
    return loaded


def _key(text: str, verb: Verb) -> PolicyKey:
    kind, colon, rest = text.partition(":")
    namespace, _, name = rest.rpartition("/")
    if kind not in MODEL_KINDS or not colon:
        raise click.BadParameter(f"{text!r} names no policy; write it {_FORM}", param_hint="POLICY")
    namespaced = SERVED[MODEL_KINDS[kind]].namespaced
    if namespace and not namespaced:
        raise click.BadParameter(f"{text!r}: {kind} has no namespace", param_hint="POLICY")
    unnamed = verb in ("list", "watch")
    if namespaced and not namespace and not (unnamed and not name):
        raise click.BadParameter(
            f"{text!r}: {kind} is of a namespace: {kind}:NAMESPACE/NAME", param_hint="POLICY"
        )
    if not name and verb not in NAMELESS:
        raise click.BadParameter(f"{text!r} has no name, and {verb} needs one", param_hint="POLICY")
    return PolicyKey(kind, namespace, name)


def _tier_of(key: PolicyKey, known: Iterable[Loaded]) -> str | None:
    return next((policy.tier for policy in _policies(known) if policy.key == key), None)


def _policies(known: Iterable[Loaded]) -> list[Policy]:
    return [each.plain for loaded in known for each in loaded.policies if isinstance(each.plain, Policy)]


def _tiers(rbac: Rbac, known: Iterable[Loaded]) -> list[str]:
    """All tiers that are known, in order, and then those that only rules name."""
    said = [each.plain for loaded in known for each in loaded.policies]
    tiers = all_tiers((each for each in said if isinstance(each, Tier)), _policies(known))
    return list(dict.fromkeys([*(tier.name for tier in tiers), *mentioned_tiers(rbac)]))


def _target(key: PolicyKey, verb: Verb, tier: str | None, to_tier: str | None, given: bool) -> Target:
    tiered = SERVED[MODEL_KINDS[key.kind]].tiered
    if not tiered and (given or to_tier):
        raise click.UsageError(f"{key.kind} is of no tier that RBAC knows: leave --tier and --to-tier out.")
    if to_tier and verb not in MOVING:
        raise click.UsageError("--to-tier goes with update and patch.")
    if tiered and not tier and verb not in ("list", "watch"):
        raise click.UsageError(f"{key} is not among the manifests: say --tier, or give them with --policies.")
    return Target.of_policy(key, *(each for each in (tier, to_tier) if each))


def _tell(report: CanI, *, as_json: bool) -> None:
    if as_json:
        _write(report)
        return
    _warn(report.warnings)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    may = "yes: {} may" if report.allowed else "no: {} may not"
    console.print(f"{may.format(report.user)} {report.verb} {report.policy}{_in_tiers(report)}")
    for each in report.permissions:
        if each.granted_by:
            console.print(f"  + {each.permission}: by {_said(each.granted_by)}")
        else:
            console.print(f"  - {each.permission}: nothing grants it")
        if each.in_vain:
            console.print(
                f"      not {_said(each.in_vain)}: it names policies, and a {report.verb} has no name"
            )


def _in_tiers(report: CanI) -> str:
    if len(report.tiers) < 2:
        return f" in tier {report.tiers[0]}" if report.tiers else ""
    moved = report.verb in MOVING
    return f" from tier {' to tier '.join(report.tiers)}" if moved else f" in tiers {', '.join(report.tiers)}"


def _said(by: GrantedBy) -> str:
    return f"{by.words} ({by.place})" if by.place else by.words


def _tell_matrix(asked: Sequence[Rights], tiers: Sequence[str], *, as_json: bool) -> None:
    rows = matrix_rows(row for rights in asked for row in matrix(rights, tiers))
    report = Matrix(rows, warnings_of(asked))
    if as_json:
        _write(report)
        return
    _warn(report.warnings)
    shown = table_of(rows) if rows else "nothing is allowed"
    Console(markup=False, highlight=False).print(shown)


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _write(report: CanI | Matrix) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
