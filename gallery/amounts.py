"""Amounts as people read them."""

from __future__ import annotations


def bytes_in_words(number: int) -> str:
    """`34.0 MB`, `1.20 GB`."""
    return f"{number / 1e6:,.1f} MB" if number < 1e9 else f"{number / 1e9:,.2f} GB"


def count_in_words(number: int, noun: str) -> str:
    """`1 image`, `1,361 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
