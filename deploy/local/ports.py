"""Free ports on the loopback address."""

import random
import socket

# Below the ports that systems give to outgoing connections: a server that is stopped finds its own again.
CHOICE = range(20_000, 32_000)


def free_port(preferred: int | None = None) -> int:
    """The preferred port where it is free, any other free one else."""
    if preferred and is_free(preferred):
        return preferred
    return next(port for port in iter(lambda: random.choice(CHOICE), None) if is_free(port))  # noqa: S311


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
