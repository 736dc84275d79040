"""Threads of the API that do what the catalogue says is due."""
