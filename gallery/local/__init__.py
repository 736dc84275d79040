"""The embedded local stack: PostgreSQL, an S3 server, Prefect's server, a worker and the API.

`gallery up`, `gallery demo` and the integration tests use it; production does not. Every part is a
process of its own on 127.0.0.1, with all its state below `GALLERY_HOME`.
"""
