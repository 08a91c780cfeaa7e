"""Decide which IP addresses and ports a crawl may connect to: only public ones, and no ports that browsers refuse.

Each table names its source. Addresses that IANA lists for special purposes are refused even if they are reachable,
since web servers do not have them.
"""

from __future__ import annotations

import ipaddress

# https://www.iana.org/assignments/iana-ipv4-special-registry (as of October 2025), and multicast (RFC 5771)
SPECIAL_IPV4 = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # shared by a carrier's customers
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local; a cloud's metadata
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # relays of 6to4
    "192.168.0.0/16",  # private
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarking
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved; limited broadcast
)
# https://www.iana.org/assignments/ipv6-address-space: the only block with public addresses is this one. Outside it lie
# loopback, ::/96 (IPv4-compatible), ::ffff:0:0:0/96 and 64:ff9b::/96 (translated), 100::/64 (discarded), 5f00::/16
# (segment routing), fc00::/7 (private), fe80::/10 (link-local), fec0::/10 (site-local) and ff00::/8 (multicast).
GLOBAL_IPV6 = "2000::/3"
# https://www.iana.org/assignments/iana-ipv6-special-registry (as of October 2025): the entries inside that block
SPECIAL_IPV6 = (
    "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID and others
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, which carries an IPv4 address
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
)
# https://fetch.spec.whatwg.org/#port-blocking (as of 2025): ports of other protocols, which a URL could abuse
REFUSED_PORTS = frozenset(
    [
        *(0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104),
        *(109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526),
        *(530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659),
        *(4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    ]
)

_SPECIAL_IPV4 = [ipaddress.IPv4Network(block) for block in SPECIAL_IPV4]
_SPECIAL_IPV6 = [ipaddress.IPv6Network(block) for block in SPECIAL_IPV6]
_GLOBAL_IPV6 = ipaddress.IPv6Network(GLOBAL_IPV6)


class ForbiddenAddress(OSError):
    """An IP address that is not part of the public internet."""


class ForbiddenPort(ForbiddenAddress):
    """A port that browsers refuse."""


def is_public(address: str) -> bool:
    """Whether an IP address is part of the public internet; an IPv4 address mapped into IPv6 is checked as IPv4."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return ip in _GLOBAL_IPV6 and not any(ip in block for block in _SPECIAL_IPV6)
        ip = ip.ipv4_mapped
    return not any(ip in block for block in _SPECIAL_IPV4)
