"""The books: points as double entry, with lots that lapse. Knows no HTTP and no Engage."""
