"""Which IP addresses are part of the public internet, and which ports are the web's."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.config.defaults import source_defaults
from distillery.sources.network.addresses import REFUSED_PORTS, SPECIAL_IPV4, SPECIAL_IPV6, is_public
from distillery.sources.network.failures import FetchError
from distillery.sources.network.fetching import Fetcher, Limits


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8", "223.255.255.254"]
)
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "255.255.255.255",
     "ff02::1", "::", "::7f00:1", "::8.8.8.8", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "fec0::1", "fd00::1",
     "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1", "2001:2::1", "2001:20::1", "2001:db8::1", "3fff::1",
     "5f00::1", "2620:4f:8000::1", "4000::1", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.31.196.1", "192.52.193.1",
     "192.88.99.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "240.0.0.1",
     "239.255.255.250"],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@given(st.sampled_from(SPECIAL_IPV4 + SPECIAL_IPV6), st.integers(0))
def test_no_address_of_a_listed_block_is_public(block, number):
    network = ipaddress.ip_network(block)
    assert not is_public(str(network[number % network.num_addresses]))


@given(st.ip_addresses())
def test_what_python_knows_to_be_special_is_not_public(address):
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_global:
        assert not is_public(str(address))


@pytest.mark.parametrize("port", [1, 22, 25, 6000, 6667, 10080])
def test_ports_that_browsers_refuse_get_no_request(port):
    limits = Limits.of(source_defaults("urls") | {"contact": "", "retries": 0})
    with pytest.raises(FetchError, match="not a port of the web"):
        Fetcher(limits, loopback=9).fetch(f"http://one.test:{port}/a")
    with pytest.raises(FetchError, match="not a port of the web"):
        Fetcher(limits).fetch(f"https://93.184.215.14:{port}/a")
    assert not {80, 443, 8080, 8443} & REFUSED_PORTS and len(REFUSED_PORTS) > 70
