"""One Prefect task a stage; each calls one function of `gallery.ingest.stages`."""
