"""The demo: a shop, its points, and its Engage, all of them running on this machine.

A year of a real shop's purchases goes through the service as a shop would send it, Engage (played
by a stand-in) follows and sends adjustments back, and at the end everything is compared with
everything else. The one hard idea: the demo stands outside. It starts the service as a process of
its own and uses its doors; what the books should hold it works out by itself, from the shop's
invoices. Only the command `demo` uses this package, and nothing in it is needed in production.
"""
