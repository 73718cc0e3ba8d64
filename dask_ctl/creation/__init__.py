"""A resolved spec to a live cluster."""
