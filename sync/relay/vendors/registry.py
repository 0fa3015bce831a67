"""Which module speaks for which vendor."""

from collections.abc import Callable
from typing import Final

from sync.relay.vendors.books import Books
from sync.relay.vendors.open_loyalty import OpenLoyalty
from sync.relay.vendors.passkit import PassKit
from sync.relay.vendors.perx import Perx
from sync.relay.vendors.protocol import Vendor, VendorModule, VendorOptions
from sync.relay.vendors.punchh import Punchh

MODULES: Final[dict[Vendor, Callable[[VendorOptions], VendorModule]]] = {
    Vendor.PUNCHH: Punchh,
    Vendor.PASSKIT: PassKit,
    Vendor.OPEN_LOYALTY: OpenLoyalty,
    Vendor.PERX: Perx,
    Vendor.LEDGER: Books,
}


def vendor_module(vendor: Vendor, options: VendorOptions) -> VendorModule:
    """The module of a vendor, told of its source."""
    return MODULES[vendor](options)
