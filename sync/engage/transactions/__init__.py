"""All-transaction mode: Engage is told every movement, each once, as rows that add up."""
