"""A cluster that lives on, and the process that owns it."""
