"""Events of loyalty vendors, and of the books themselves, on their way to MoEngage."""
