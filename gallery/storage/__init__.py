"""The object store: calls, the grammar of keys, bucket rules, and the store's event notifications."""
