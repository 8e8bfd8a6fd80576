"""Who sends a request: one client may have many addresses, and many clients may come through one proxy."""

import ipaddress
import re
from collections.abc import Iterable, Sequence

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Providers give each customer a network of this size at least.
IPV6_CLIENT_BITS = 64

# An address that a proxy writes with a port.
WITH_PORT = re.compile(r"\[(.*)\](?::\d+)?|([\d.]+):\d+")


def parse_networks(texts: Iterable[str]) -> list[IPNetwork]:
    """Returns networks such as 10.0.0.0/8; an address is a network of its own. Raises ValueError for other text."""
    return [ipaddress.ip_network(text.strip(), strict=False) for text in texts]


def are_networks(texts: Iterable[str]) -> bool:
    """Whether all texts are networks."""
    try:
        parse_networks(texts)
    except ValueError:
        return False
    return True


def parse_address(text: str) -> IPAddress | None:
    """Returns an address, perhaps with a port, an IPv4 address in IPv6 as what it is; None for other text."""
    found = WITH_PORT.fullmatch(text.strip())
    try:
        address = ipaddress.ip_address((found[1] or found[2] or "") if found else text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_in(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    """Whether an address is in one of the networks."""
    return any(address in network for network in networks)


def client_address(peer: str, forwarded_for: str, trusted: Sequence[IPNetwork]) -> str:
    """Returns the address of a client: that of the connection or, where that is a trusted proxy's, the last one in
    X-Forwarded-For that is not. What stands before it may be forged.
    """
    address = parse_address(peer)
    for text in reversed(forwarded_for.split(",")):
        if address is None or not is_in(address, trusted):
            break
        before = parse_address(text)
        if before is None:
            break
        address = before
    return peer if address is None else str(address)


def client_key(address: str) -> str:
    """Returns what stands for a client: its IPv4 address, or the network of its IPv6 address."""
    found = parse_address(address)
    if not isinstance(found, ipaddress.IPv6Address):
        return address if found is None else str(found)
    return str(ipaddress.ip_network((int(found) >> IPV6_CLIENT_BITS << IPV6_CLIENT_BITS, IPV6_CLIENT_BITS)))
