"""The catalogue in PostgreSQL: what was uploaded, what became of it, what is current, what is to delete.

Each module holds the functions of one moment in an upload's life; all take an open `Session`, and
`Catalogue` opens the transactions.
"""
