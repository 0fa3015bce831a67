"""The description of the doors: OpenAPI 3.1, and pages that show it without the internet.

Each handler carries an `Operation`, so what is described stands beside what does it; `document`
gathers them, `page` shows them.
"""
