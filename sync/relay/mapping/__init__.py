"""From what a vendor told to what MoEngage takes. Nothing here reads, stores or asks for the time.

`names` and `values` are MoEngage's rules for the parts, `flattening` makes a flat list of a nested
document, `lexicon` keeps each attribute to one type for ever, `mapper` puts an event together, and
`elements` writes it; `packing` fills a request by exact size.
"""
