"""How the database came to look as it does, and how it gets to look as the code expects.

`upgrade` brings a database to a revision; `versions/` holds the revisions, numbered; `ground` makes
what every revision stands on; `privileges` is what a revision calls to say what the service may do
with a table. A new revision is begun with `python -m migrations "what it does"`.
"""
