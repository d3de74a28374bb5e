"""The rules of `flowtier check`, as data: the order here is the order in reports and documentation."""

from collections.abc import Iterable

from pipeline.check.findings import Lint
from pipeline.check.lints import matching, naming, twins, unreachable, writing
from pipeline.check.subject import Subject
from pipeline.policy.problems import Problem


def _elsewhere(_: Subject) -> Iterable[Problem]:
    """Found while loading, or by comparing."""
    return ()


REFUSED = Lint(
    "refused",
    "error",
    "Calico's or Kubernetes' API refuses the manifest, or it cannot be read.",
    "Write what the reason says (--fix does where there is one right answer); until then nothing here can be"
    " judged or published, and no other rule is looked at.",
    _elsewhere,
)
TAKEN_OTHERWISE = Lint(
    "taken-otherwise",
    "warning",
    "It is taken otherwise than it is written: passed over, not followed, or completed.",
    "Write what you mean, or take it out.",
    _elsewhere,
)
NOT_ALLOWED = Lint(
    "change-not-allowed",
    "error",
    "Whoever is named by --as may not make this change of what --base holds, by RBAC and Calico's tiers.",
    "Let somebody make it who may, or ask for the permission that is missing.",
    _elsewhere,
)
LINTS = (
    Lint(
        "unreachable-policy",
        "warning",
        "Nothing reaches the policy, since all traffic of its endpoints is decided above it, in its tier or"
        " in a tier before.",
        "Move it up (order, tier), narrow what stands above, or remove it.",
        unreachable.policies,
    ),
    Lint(
        "unreachable-rule",
        "warning",
        "Nothing reaches the rule, since all that it matches is decided above it.",
        "Move it up, narrow what stands above, or remove it.",
        unreachable.rules,
    ),
    Lint(
        "pass-leads-nowhere",
        "warning",
        "What the rule passes meets no policy of a later tier: a pod's namespace, its profile, allows it.",
        "Write Allow if that is meant; else add the policy that it is to lead to.",
        unreachable.passes,
    ),
    Lint(
        "selector-matches-nothing",
        "warning",
        "The selector selects none of the workloads, host endpoints and network sets that are known.",
        "Look for a typing error in keys and values, or remove what is no longer needed.",
        matching.unmatched,
    ),
    Lint(
        "namespace-selector-matches-hosts",
        "warning",
        "The namespace selector is true without any labels, so that it also selects host endpoints.",
        "Add has(projectcalico.org/namespace) to the selector, or name the namespaces that are meant.",
        matching.hosts,
    ),
    Lint(
        "tier-without-object",
        "warning",
        "No Tier of that name is among the manifests: Calico's API refuses the policy, or evaluates it after"
        " all other tiers.",
        "Add the Tier, name one that exists, or give the directory that holds it with --facts.",
        naming.missing_tiers,
    ),
    Lint(
        "name-differs-by-tier-prefix",
        "warning",
        "Two policies' names differ by their tier's prefix only: Calico 3.32 and later take them for two"
        " policies, and a staged one for no twin of the other.",
        "Give both the same name if one is to replace the other, else names that differ more.",
        naming.prefixes,
    ),
    Lint(
        "shared-order",
        "note",
        "Policies that treat the same traffic differently share an order, so that their names decide which"
        " is first.",
        "Give them different orders.",
        naming.shared_orders,
    ),
    Lint(
        "staged-equals-enforced",
        "note",
        "The staged policy says what its enforced twin says: enforcing it changes nothing.",
        "Remove the staged policy, or change it.",
        twins.equal,
    ),
    Lint(
        "stored-form",
        "warning",
        "The manifest has the API version in which Calico stores it, which its API does not serve.",
        "Write projectcalico.org/v3 (--fix does).",
        writing.stored_forms,
    ),
    Lint(
        "net-without-mask",
        "warning",
        "A rule's network is an address without a mask: the data plane takes it as that address alone,"
        " Calico's validator refuses it.",
        "Add /32, /128 for IPv6 (--fix does, unless it looks like a network's), or the mask that is meant.",
        writing.bare_addresses,
    ),
    Lint(
        "net-listed-twice",
        "warning",
        "A list of networks holds one twice: Calico's API server takes it, its CRDs refuse it.",
        "Remove one of them.",
        writing.repeated_nets,
    ),
    Lint(
        "net-with-host-bits",
        "warning",
        "An ipBlock has bits set beyond its prefix: that was taken as the whole network, and is refused since"
        " Kubernetes 1.36.",
        "Write the network itself (--fix does).",
        writing.host_bits,
    ),
    Lint(
        "enterprise-field",
        "note",
        "The field is one of Calico Enterprise and Calico Cloud: open source Calico's API refuses it.",
        "Leave it out where open source Calico runs.",
        writing.enterprise_fields,
    ),
)
RULES = (REFUSED, TAKEN_OTHERWISE, NOT_ALLOWED, *LINTS)
