"""The rules of the books, one module a kind: what may happen, and which transfers it makes.

Every rule has the same shape: it looks at the draft's account and refuses, or it writes transfers.
"""
