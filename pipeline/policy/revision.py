"""What was loaded ▸ one revision of the policies, in evaluation order and named by its content."""

from collections.abc import Iterable
from hashlib import sha256

from pipeline.policy.load import Loaded
from pipeline.policy.order import all_tiers, in_order
from pipeline.policy.policies import NetworkSet, Policies, Policy, Tier
from pipeline.policy.resources import Document, canonical_json


def to_policies(loaded: Loaded) -> Policies:
    """The whole revision; raises ManifestError where anything is wrong: nothing half-loaded is used."""
    loaded.require()
    plain = [resource.plain for resource in loaded.policies]
    policies = [item for item in plain if isinstance(item, Policy)]
    tiers = all_tiers((item for item in plain if isinstance(item, Tier)), policies)
    sets = [item for item in plain if isinstance(item, NetworkSet)]
    return Policies(
        revision=revision_of(resource.document for resource in loaded.policies),
        tiers=tiers,
        policies=in_order(policies, tiers),
        network_sets=tuple(sorted(sets, key=lambda item: (item.namespace, item.name))),
    )


def revision_of(documents: Iterable[Document]) -> str:
    """The name of a content: 16 hexadecimal digits, the same for the same resources in any order."""
    digest = sha256(b"\n".join(sorted(canonical_json(document) for document in documents)))
    return digest.hexdigest()[:16]
