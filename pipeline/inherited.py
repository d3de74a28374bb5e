"""What endpoints inherit from their namespace and service account, as `pcns.*` and `pcsa.*`."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from pipeline.evidence import SERVICE_ACCOUNT, Evidence
from pipeline.facts import Version, alive
from pipeline.policy.facts_resources import Namespace

INHERITED = ("pcns.", "pcsa.")  # CALICO.md §2.6


class Inherited(NamedTuple):
    """What namespace and service account give an endpoint; `open` = prefixes of what is not known."""

    labels: dict[str, str]
    open: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def namespace_options(
    name: str, versions: Iterable[Version[Namespace]], start: float, end: float
) -> list[Inherited]:
    """What a namespace's endpoints inherit within [start, end], one for each way it was."""
    own = {"pcns.projectcalico.org/name": name, "pcns.kubernetes.io/metadata.name": name}
    return _options("pcns.", name, versions, Inherited(own, ("pcns.",), ("namespace",)), start, end)


def _account_options(name: str | None, evidence: Evidence, start: float, end: float) -> list[Inherited]:
    """The same of a service account; "" = the pod has none, None = nobody knows which."""
    if name is None:
        return [Inherited({}, (SERVICE_ACCOUNT, "pcsa."), ("service_account",))]
    if not name:
        return [Inherited({})]
    unknown = Inherited({"pcsa.projectcalico.org/name": name}, ("pcsa.",), ("service_account",))
    return _options("pcsa.", name, evidence.service_accounts.get(name, ()), unknown, start, end)


def _options(
    prefix: str, name: str, versions: Iterable[Version[Any]], unknown: Inherited, start: float, end: float
) -> list[Inherited]:
    held = alive(versions, start, end)
    options: list[Inherited] = []
    for version in held:
        labels = {prefix + key: value for key, value in version.fact.labels.items()}
        option = Inherited(unknown.labels | labels | {f"{prefix}projectcalico.org/name": name})
        if option not in options:
            options.append(option)
    # What was before the first version within the interval nobody knows.
    return options if any(version.since <= start for version in held) else [*options, unknown]


def inherited(
    namespace: str, account: str | None, evidence: Evidence, start: float, end: float
) -> list[Inherited]:
    """The ways in which both may have been."""
    return [
        Inherited({**ns.labels, **sa.labels}, ns.open + sa.open, ns.missing + sa.missing)
        for ns in namespace_options(namespace, evidence.namespaces, start, end)
        for sa in _account_options(account, evidence, start, end)
    ]
