import pytest

from movierec_jax.serve.clients import are_networks, client_address, client_key, parse_networks

TRUSTED = parse_networks(["10.0.0.0/8", "192.0.2.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.5", "198.51.100.7", "203.0.113.5"),  # No proxy: its header counts for nothing.
        ("10.1.2.3", "198.51.100.7", "198.51.100.7"),
        ("10.1.2.3", "1.1.1.1, 198.51.100.7", "198.51.100.7"),  # The client has forged the first one.
        ("10.1.2.3", "198.51.100.7, 192.0.2.1,10.9.9.9", "198.51.100.7"),
        ("::ffff:10.1.2.3", "198.51.100.7:4711", "198.51.100.7"),
        ("fd00::1", "[2001:db8::7]:80", "2001:db8::7"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "1.1.1.1, unknown", "10.1.2.3"),
        ("10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("testclient", "198.51.100.7", "testclient"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(peer, forwarded, expected):
    assert client_address(peer, forwarded, TRUSTED) == expected


def test_without_trusted_proxies_the_header_counts_for_nothing():
    assert client_address("10.1.2.3", "198.51.100.7", []) == "10.1.2.3"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("unknown", "unknown", True),
    ],
)
def test_addresses_of_one_ipv6_network_are_one_client(one, other, is_same):
    assert (client_key(one) == client_key(other)) == is_same


def test_networks_are_told_from_other_text():
    assert are_networks(["10.0.0.0/8", "::1", "10.1.2.3/8"])
    assert not are_networks(["10.0.0.0/8", "localhost"])
