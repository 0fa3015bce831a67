"""The vendors whose events are relayed: one module each, behind one protocol.

`protocol` says what a vendor's module answers; `registry` finds it by name. A module knows the
form of its vendor's documents and nothing of storing, sending or MoEngage's rules.
"""
