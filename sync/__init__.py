"""The wires between the books and the platforms around them."""
