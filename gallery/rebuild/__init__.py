"""The rebuild: current versions that another recipe has made get the renditions of today's. No Prefect here."""
