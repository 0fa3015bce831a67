"""A stand-in Voyado Engage: contacts, point accounts, and all a point master exchanges with it.

Written from what Voyado publishes (`docs/sandbox.md` says where it had to choose); strict where
the real one is, and able to misbehave on order. It imports nothing of the project it helps to
test.
"""
