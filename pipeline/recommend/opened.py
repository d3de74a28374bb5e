"""What a proposal admits beyond what was seen: pairs of workloads, and addresses."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple

from pipeline.policy.policies import Network
from pipeline.recommend.learned import EdgeKey
from pipeline.recommend.peers import Peer
from pipeline.recommend.proposal import Proposal
from pipeline.recommend.recommendation import Opened
from pipeline.recommend.workloads import Namespace


class _Name(NamedTuple):
    namespace: str
    workload: str


class Opening:
    """Counts for the proposals of one namespace, which knows these workloads."""

    def __init__(self, namespaces: Mapping[str, Namespace]) -> None:
        self._addresses = {
            _Name(namespace, each.name): each.addresses
            for namespace, known in namespaces.items()
            for each in known.workloads.values()
        }
        self._within = lru_cache(maxsize=None)(self._workloads_within)

    def of(self, proposal: Proposal) -> Opened:
        """What a proposal opens. A pair is a workload, a direction and a peer workload, whatever the port."""
        pairs = 0
        for direction in proposal.types:
            admitted: set[_Name] = set()
            for rule in proposal.rules:
                if rule.direction == direction and rule.action != "Deny" and rule.peer:
                    admitted |= self._admitted(rule.peer)
            seen = {
                (key.workload, _Name(key.peer_namespace, key.peer))
                for key in proposal.edges
                if key.direction == direction and _is_workload(key)
            }
            pairs += len(proposal.workloads) * len(admitted)
            pairs -= sum(peer in admitted for _, peer in seen)
        more = {str(rule.peer.entity): rule.peer.more_addresses for rule in proposal.rules if rule.peer}
        everyone = len(proposal.workloads) * len(proposal.types) * len(self._addresses)
        return Opened(pairs, sum(more.values()), everyone)

    def _admitted(self, peer: Peer) -> set[_Name]:
        found = {_Name(*each) for each in peer.workloads}
        if peer.kind in ("cidr", "private", "host") and "nets" in peer.entity:
            found |= self._within(tuple(peer.entity["nets"]))
        return found

    def _workloads_within(self, texts: tuple[str, ...]) -> set[_Name]:
        """Whose pods have addresses in some nets: on EKS these are of the VPC, as all else is."""
        nets: list[Network] = [ip_network(text) for text in texts]
        return {
            name
            for name, addresses in self._addresses.items()
            if any(one.network_address in net for one in addresses for net in nets)
        }


def _is_workload(key: EdgeKey) -> bool:
    return key.peer_type == "wep"
