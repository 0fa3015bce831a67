"""The demo shop: a year of real purchases, and how they become points.

The shop stands outside Pointmaster, as a shop would. It knows its invoices, decides what a purchase
is worth and what a cancellation undoes, and hands over postings in the order they happened. Its one
hard idea is the link the source does not carry: which purchase a cancellation undoes (`matching`).
It posts nothing itself and knows neither the books nor Engage. README.md beside this file says
where the data comes from, what was changed and what it adds up to.
"""
