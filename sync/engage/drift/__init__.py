"""Drift: what Engage has is compared with the books, and put right where that is wanted."""
