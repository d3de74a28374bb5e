"""How far each file of a node's flow log is in Kafka: records of topic `shipper-places`."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Literal

import msgspec

TAIL = 1024  # bytes before a place that tell whether a file is the one that was read there


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a file: `offset` in bytes of its content, `tail` the digest of what stands before it.

    `fingerprint` is the digest of the file's first line. `path` is for people only.
    """

    v: Literal[1] = 1
    node: str
    inode: int
    fingerprint: str
    offset: int
    tail: str
    path: str

    @property
    def key(self) -> str:
        return f"{self.node}/{self.inode}/{self.fingerprint}"


_DECODER = msgspec.json.Decoder(Place)


def digest(content: bytes) -> str:
    """A digest that tells contents apart."""
    return sha256(content).hexdigest()[:32]


def encode(place: Place) -> tuple[bytes, bytes]:
    """Key and value of the record."""
    return place.key.encode(), msgspec.json.encode(place)


class Places:
    """The places of one node, as the topic has them."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._places: dict[str, Place] = {}

    def put(self, key: str, value: bytes | None) -> None:
        """Take over one record; those of other nodes, and what cannot be read, are passed over."""
        if not key.startswith(f"{self._node}/"):
            return
        try:
            self._places[key] = _DECODER.decode(value or b"")
        except msgspec.MsgspecError:
            self._places.pop(key, None)

    def remember(self, place: Place) -> None:
        """Go on from here."""
        self._places[place.key] = place

    def copy(self) -> "Places":
        """The same places, to go on from on their own."""
        places = Places(self._node)
        places._places = dict(self._places)
        return places

    def get(self, keys: Iterable[str]) -> dict[str, Place]:
        """The places under some keys, those that there are."""
        return {key: self._places[key] for key in keys if key in self._places}

    def resume(self, inode: int, fingerprint: str, tail: Callable[[int], bytes]) -> int:
        """Where to go on in a file; `tail` gives what stands before an offset in it.

        It is the same file by its inode, or by its content where rotation copied it. What stands before
        the place has to be what stood there: a file that was emptied and written anew begins at 0.
        """
        same = [place for place in self._places.values() if place.fingerprint == fingerprint]
        same.sort(key=lambda place: (place.inode == inode, place.offset), reverse=True)
        return next((place.offset for place in same if digest(tail(place.offset)) == place.tail), 0)
