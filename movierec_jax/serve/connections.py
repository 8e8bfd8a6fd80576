"""Bounds the open connections, so that none can take the files that the service itself needs."""

import contextlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from movierec_jax.serve.clients import IPNetwork, client_key, is_in, parse_address

try:
    import resource
except ImportError:  # Windows.
    resource = None  # type: ignore[assignment]

# More open files than this are not asked for.
MAX_OPEN_FILES = 2**16

# Open files of the service itself: the log, a run that loads, posters.
RESERVED_FILES = 256

# Where the system does not say.
USUAL_OPEN_FILES = 1024


@runtime_checkable
class Connection(Protocol):
    """An open connection. is_idle: whether no request of it is being answered."""

    @property
    def is_idle(self) -> bool: ...

    def abort(self) -> None:
        """Closes it at once."""


class Connections:
    """The open connections by client. Where there are too many, those idle longest close for new ones.

    trusted: networks of proxies, whose connections are of many clients.
    """

    def __init__(self, max_connections: int, max_per_client: int, trusted: Sequence[IPNetwork] = ()):
        self.max_connections, self.max_per_client, self.trusted = max_connections, max_per_client, trusted
        # The client of each connection, and the connections of each client, those used last at the end.
        self.client: dict[Connection, str] = {}
        self.by_client: dict[str, dict[Connection, None]] = {}

    def add(self, connection: Connection, address: str) -> bool:
        """Adds a connection, in place of an idle one where there are too many; returns False where none is idle."""
        client, parsed = client_key(address), parse_address(address)
        is_proxy = parsed is not None and is_in(parsed, self.trusted)
        own = self.by_client.get(client, {})
        if not is_proxy and len(own) >= self.max_per_client and not self.close_idle(own):
            return False
        if len(self.client) >= self.max_connections and not self.close_idle(self.client):
            return False
        self.client[connection] = client
        self.by_client.setdefault(client, {})[connection] = None
        return True

    def close_idle(self, connections: dict[Connection, str] | dict[Connection, None]) -> bool:
        """Closes the connection that has been idle longest; returns whether there is one."""
        idle = next((one for one in connections if one.is_idle), None)
        if idle is not None:
            self.remove(idle)
            idle.abort()
        return idle is not None

    def use(self, connection: Connection) -> None:
        """Makes a connection the one used last."""
        client = self.client.get(connection)
        if client is not None:
            for connections in (self.client, self.by_client[client]):
                connections[connection] = connections.pop(connection)  # type: ignore[assignment]

    def remove(self, connection: Connection) -> None:
        """Removes a connection; does nothing for one that is not there."""
        client = self.client.pop(connection, None)
        if client is not None:
            del self.by_client[client][connection]
            if not self.by_client[client]:
                del self.by_client[client]


def raise_open_files() -> int:
    """Raises the limit of this process on open files as far as the system allows, and returns it."""
    if resource is None:
        return USUAL_OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems allow less than they say.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft


def max_connections(open_files: int) -> int:
    """Returns how many connections leave the service the files that it needs."""
    return max(open_files // 2, open_files - RESERVED_FILES)
