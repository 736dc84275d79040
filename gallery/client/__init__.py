"""Sending a folder of photographs through the gallery API, as a browser does, and following its ingest."""
