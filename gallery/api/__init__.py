"""The HTTP API: stores what callers ask for, answers at once, and starts runs from what is stored."""
