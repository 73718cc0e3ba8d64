"""Which cluster is meant: text, located values, layers, one resolved spec."""
