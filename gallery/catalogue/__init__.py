"""The catalogue in PostgreSQL: what was uploaded, what became of it, what is current, what is to delete.

Each module holds the functions of one moment in an upload's life. They take an open `Session`; their callers open the
transactions (`connect.transaction`). Rows are described in `tables`, locks and their order in `locks`.
"""
