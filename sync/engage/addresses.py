"""Whether an address is among those that may call.

The one hard idea: an allow-list comes on top of signatures and secrets, never instead of them: an
address is what the network says, not who somebody is. Without a list, every address may call.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


def network_of(text: str) -> IPv4Network | IPv6Network:
    """A network as the settings write it.

    Raises:
        ValueError: it is none; a single address is one of its own.
    """
    return ip_network(text, strict=True)


def may_call(address: str | None, networks: Sequence[str]) -> bool:
    """Whether a caller's address is in one of the networks; always, where there are none."""
    if not networks:
        return True
    try:
        caller = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(caller, IPv6Address) and caller.ipv4_mapped is not None:
        caller = caller.ipv4_mapped
    return any(caller in network_of(one) for one in networks)
