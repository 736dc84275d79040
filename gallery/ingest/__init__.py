"""The ingest of one upload: plan, the four stages of an image, and the report. No Prefect here."""
