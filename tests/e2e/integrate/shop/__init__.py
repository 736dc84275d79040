"""A small web shop: the Django application that the views of docs/integrate.md are put into."""
