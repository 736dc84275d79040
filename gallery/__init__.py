"""Gallery ingest: all that is not Prefect's business. `flows` and `tasks` build on it."""
