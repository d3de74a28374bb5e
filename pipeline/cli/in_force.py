"""What commands may ask of a cluster's servers: the agents answer, as the object of click's context."""

from collections.abc import Iterator
from typing import Protocol

from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.policy.load import Loaded


class InForce(Protocol):
    """What the cluster's topics hold; nothing is read before it is asked for."""

    def policies(self) -> Loaded:
        """The policies of the newest whole revision."""

    def facts(self) -> Facts:
        """Every fact with its lifetime, of the retention."""

    def document(self, document_id: str) -> bytes:
        """The recorded flow with this `_id`, as JSON. Raises a ValueError where there is none."""

    def flows(self, since: float, until: float, at_once: int) -> Iterator[list[Message]]:
        """The flows that ended in [since, until), epoch seconds, each a message; of so many parts at once."""
