"""The sweep: finds what nothing needs any more, in both buckets, the outbox and the scratch folder, and deletes it."""
