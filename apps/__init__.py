"""The registry: the name of every app; its modules are found by name."""

APPS = ("sentiment", "tabular")
