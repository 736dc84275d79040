"""Starts, watches and ends a set of processes on this machine. Knows nothing of galleries."""
