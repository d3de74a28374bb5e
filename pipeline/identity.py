"""Who is who: the sides of a flow, as far as the record and the facts prove them (DESIGN.md §4)."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from pipeline.policy.policies import Network

type EndpointKind = Literal["wep", "hep", "ns"]
type Labels = tuple[tuple[str, str], ...]  # sorted by key


class NamedPort(NamedTuple):
    """A port that an endpoint names; `protocol` is the IANA number."""

    name: str
    protocol: int
    port: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What selectors and named ports can see of an endpoint.

    `labels` hold own labels, `projectcalico.org/*` ones and those inherited from namespace and
    service account as `pcns.*` and `pcsa.*` (CALICO.md §2.6). Where `open_labels` is set, a label
    key that is not listed may also be there with any value, as far as `open_prefixes` allows:
    "" = any key at all; else only keys with one of these prefixes (say "pcsa." and
    "projectcalico.org/serviceaccount" for a pod whose service account nobody knows). Keys with one
    of `closed_prefixes` are known all the same ("pcns." where only the pod's own labels are open).
    """

    kind: EndpointKind
    labels: Labels
    ports: tuple[NamedPort, ...] = ()
    profiles: tuple[str, ...] = ()  # of a workload: kns.<ns>; none = no profile, default deny
    open_prefixes: tuple[str, ...] = ()  # () = all labels known
    open_ports: bool = False  # True: its named ports are not known
    closed_prefixes: tuple[str, ...] = ()  # exceptions to open_prefixes

    def is_open(self, key: str) -> bool:
        """Whether a label that is not listed may be there; what `Selector.decide` asks."""
        return key.startswith(self.open_prefixes) and not key.startswith(self.closed_prefixes)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way in which a side may be complete.

    `identity` None: an address that is no endpoint. `addresses`: where its address may be, one
    /32 or /128 where it is known; () = any address. `outside_sets`: it is in no network set.
    """

    identity: Identity | None
    addresses: tuple[Network, ...] = ()
    outside_sets: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a flow: any one of `candidates`; `missing` names what left more than one way
    open (source_ip, dest_ip, pod, labels, service_account, domain, ...)."""

    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...] = ()
    domains: tuple[str, ...] | None = ()  # names it was resolved by; None = not known


@dataclass(frozen=True, slots=True)
class Slice:
    """Addresses and ports behind a service at some time (one EndpointSlice); where it `is_open`, each
    of its addresses may be behind the service or not."""

    service: tuple[str, str]  # (namespace, name)
    nets: frozenset[Network]  # /32 or /128; where nothing is known of the service, any address
    ports: frozenset[tuple[int | None, int | None]]  # (protocol number, port); None = any
    is_open: bool = False
