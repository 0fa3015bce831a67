"""The doors themselves: one module a noun, each handler with its operation beside it."""
