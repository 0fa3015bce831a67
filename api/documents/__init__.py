"""The JSON documents of the doors: what callers send and what they are answered.

Requests are in `requests`, answers beside them by noun; `forms` holds the fields' own forms. The
OpenAPI document is made of these very structs.
"""
