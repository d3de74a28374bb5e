"""Damage to the batches in a topic's log, as a disk does it, or a producer with another codec."""

import struct
from collections.abc import Callable
from pathlib import Path

# Of a batch's header (record format 2): where the CRC stands, what it covers, the place of its last message
# after its first one, and where the records begin.
CRC, COVERED, ATTRIBUTES, LAST, RECORDS = 17, 21, 21, 23, 61

type Damage = Callable[[bytearray], None]


def batches(log: bytearray) -> list[tuple[int, int]]:
    """Begin and end of each batch of a segment that holds messages, in bytes."""
    found, begin = [], 0
    while begin < len(log):
        end = begin + 12 + struct.unpack_from(">i", log, begin + 8)[0]
        if not log[begin + ATTRIBUTES + 1] & 0x20:  # marks the ends of transactions
            found.append((begin, end))
        begin = end
    return found


def damage(segment: Path, numbers: list[int], how: Damage) -> list[range]:
    """Change these batches of a segment, counted from 0, and say which offsets they hold.

    Kafka must not be running.
    """
    log, held = bytearray(segment.read_bytes()), []
    for begin, end in [batches(log)[number] for number in numbers]:
        batch = log[begin:end]
        first: int = struct.unpack_from(">q", batch)[0]
        held.append(range(first, first + struct.unpack_from(">i", batch, LAST)[0] + 1))
        how(batch)
        log[begin:end] = batch
    segment.write_bytes(log)
    return held


def flip(batch: bytearray) -> None:
    """Some bytes in the middle: what a bad disk does."""
    _flip(batch, (RECORDS + len(batch)) // 2)


def flip_and_sign(batch: bytearray) -> None:
    """The first bytes, and found right by whoever checks the CRC. What else is flipped in the middle of
    what snappy or lz4 packed can be unpacked to other words."""
    _flip(batch, RECORDS)
    _sign(batch)


def _flip(batch: bytearray, begin: int) -> None:
    for at in range(begin, begin + 40):
        batch[at] ^= 0x5A


def unknown_codec(batch: bytearray) -> None:
    """Packed as no client knows how to unpack it."""
    batch[ATTRIBUTES + 1] |= 0x07
    _sign(batch)


def _sign(batch: bytearray) -> None:
    struct.pack_into(">I", batch, CRC, _crc32c(batch[COVERED:]))


def _crc32c(data: bytearray) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
