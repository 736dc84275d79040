"""The run history in the terminal, as JSON, as CSV and as a page: what the schema `analytics` knows, for people."""
