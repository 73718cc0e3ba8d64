"""Live clusters, whoever owns them."""
