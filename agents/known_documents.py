"""Documents as they stand in Elasticsearch, those that were used last: they need not be read again."""

from collections import OrderedDict
from collections.abc import Iterable

from pipeline.edges import Counted, Place

_MOST = 20_000  # about a kilobyte each


class KnownDocuments:
    """At most so many; right as long as nobody else writes them: `clear` when partitions change hands."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[Place, Counted] = OrderedDict()

    def __contains__(self, place: Place) -> bool:
        return place in self._known

    def get(self, place: Place) -> Counted | None:
        return self._known.get(place)

    def put(self, place: Place, counted: Counted) -> None:
        self._known[place] = counted
        self._known.move_to_end(place)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, places: Iterable[Place]) -> None:
        for place in places:
            self._known.pop(place, None)

    def clear(self) -> None:
        self._known.clear()
