import dataclasses

from movierec_jax.serve.clients import parse_networks
from movierec_jax.serve.connections import RESERVED_FILES, Connections, max_connections


@dataclasses.dataclass(eq=False)
class Held:
    """A connection by name."""

    name: str
    is_idle: bool = True
    is_closed: bool = False

    def abort(self):
        self.is_closed = True


def names(connections):
    return "".join(one.name for one in connections.client)


def test_the_connection_of_a_client_that_is_idle_longest_makes_place():
    connections = Connections(100, 2)
    first, second, third = Held("a", is_idle=False), Held("b"), Held("c")
    assert all(connections.add(one, "192.0.2.1") for one in (first, second, third))
    assert (names(connections), second.is_closed, first.is_closed) == ("ac", True, False)
    assert connections.add(Held("d"), "192.0.2.2")
    assert names(connections) == "acd"


def test_the_connection_used_last_stays():
    connections = Connections(100, 2)
    held = [Held(name) for name in "abc"]
    for one in held[:2]:
        connections.add(one, "192.0.2.1")
    connections.use(held[0])
    connections.add(held[2], "192.0.2.1")
    assert names(connections) == "ac"


def test_a_connection_is_refused_where_none_is_idle():
    connections = Connections(100, 1)
    connections.add(Held("a", is_idle=False), "192.0.2.1")
    assert not connections.add(Held("b"), "192.0.2.1")
    assert names(connections) == "a"


def test_all_clients_together_have_a_limit_and_proxies_only_that():
    connections = Connections(3, 1, parse_networks(["10.0.0.0/8"]))
    for name in "abcd":
        assert connections.add(Held(name), "10.0.0.1")
    assert names(connections) == "bcd"


def test_nothing_is_kept_of_connections_that_are_gone():
    connections = Connections(3, 1)
    held = [Held(name) for name in "abcde"]
    for number, one in enumerate(held):
        connections.add(one, f"2001:db8:{number % 2}::{number}")
    for one in held:
        connections.remove(one)
        connections.use(one)
    assert (connections.client, connections.by_client) == ({}, {})


def test_the_service_keeps_files_for_itself():
    assert max_connections(1024) == 1024 - RESERVED_FILES
    assert max_connections(256) == 128
