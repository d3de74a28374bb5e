"""What troubles the recommender, as one sentence of /health."""

import structlog

from agents.health import Health

log = structlog.get_logger(__name__)


class Troubles:
    """Its parts tell of their own; Health knows them together."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._parts: dict[str, str] = {}

    def tell(self, part: str, problem: str | None) -> None:
        """Set what troubles a part, or clear it; a new problem is logged."""
        if problem is None:
            self._parts.pop(part, None)
        elif self._parts.get(part) != problem:
            self._parts[part] = problem
            log.warning(problem)
        self._health.tell("recommend", "; ".join(self._parts.values()) or None)
