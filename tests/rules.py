"""Rules of the layout, over the source as a tree. Each finds what breaks it, by line; `test_layout.py` applies them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Names of what stands in an object key.
PARTS_OF_KEYS = ("gallery_id", "upload_id", "entry_number", "recipe_id", "staged_key", "_prefix", ".prefix")
# Addresses and messages hold ids between slashes as well.
NOT_KEYS = ("/v1/", "http://", "https://", "api_url", "base_url")
# What takes a text apart or looks into it, as methods and as SQL operators.
SPLITS = frozenset({"split", "rsplit", "partition", "rpartition", "removeprefix", "removesuffix"})
LOOKS_INTO = SPLITS | {"startswith", "endswith", "contains", "like", "ilike"}
TAKE_APART = frozenset({"match", "fullmatch", "search", "PurePosixPath", "dirname", "basename"})
JOINS = frozenset({"join", "joinpath", "format"})


def builds_or_parses_keys(source: str) -> list[int]:
    """Lines that put an object key together, or look into one.

    What builds a key in a way that this does not see is caught by the types: only an `ObjectKey` is taken for a key,
    see `makes_object_keys`.
    """
    return sorted(
        {node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr) and _is_about_keys(node)}
    )


def makes_object_keys(source: str) -> list[int]:
    """Lines that call a text an `ObjectKey`."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return sorted(
        call.lineno
        for call in calls
        if ast.unparse(call.func).rpartition(".")[2] == "ObjectKey"
        or (ast.unparse(call.func).rpartition(".")[2] == "cast" and "ObjectKey" in ast.unparse(call.args[0]))
    )


def _is_about_keys(node: ast.expr) -> bool:
    return any(isinstance(node, kind) and check(node) for kind, check in CHECKS)


def _is_text_of_a_key(node: ast.JoinedStr) -> bool:
    text = ast.unparse(node)
    between = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return _names_parts(node) and _joins(node, between) and not any(mark in text for mark in NOT_KEYS)


def _is_sum_of_a_key(node: ast.BinOp) -> bool:
    joins = "/" in _constants(node) or ".prefix" in ast.unparse(node) or "PurePosixPath" in ast.unparse(node)
    return isinstance(node.op, ast.Add | ast.Div | ast.Mod) and joins and _names_parts(node)


def _is_rest_of_a_key(node: ast.Subscript) -> bool:
    # The first so many characters are for a message.
    return isinstance(node.slice, ast.Slice) and node.slice.lower is not None and _is_key(node.value)


def _looks_for_a_part(node: ast.Compare) -> bool:
    return isinstance(node.ops[0], ast.In) and _is_key(node.comparators[0]) and not _is_key(node.left)


def _is_call_about_keys(node: ast.Call) -> bool:
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in JOINS:
        return _names_parts(node) and ("/" in _constants(node) or "path" in ast.unparse(node.func))
    if name in LOOKS_INTO and isinstance(node.func, ast.Attribute):
        by = node.args[0] if node.args else None
        other = name.endswith(("split", "partition")) and isinstance(by, ast.Constant) and "/" not in str(by.value)
        return _is_key(node.func.value) and not other
    return name in TAKE_APART and any(map(_is_key, node.args))


CHECKS: tuple[tuple[type[ast.expr], Callable[[Any], bool]], ...] = (
    (ast.JoinedStr, _is_text_of_a_key),
    (ast.BinOp, _is_sum_of_a_key),
    (ast.Subscript, _is_rest_of_a_key),
    (ast.Compare, _looks_for_a_part),
    (ast.Call, _is_call_about_keys),
)


def _names_parts(node: ast.AST) -> bool:
    """Whether a value in it is named like a part of a key."""
    values = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
    return any(name in ast.unparse(part) for part in values for name in PARTS_OF_KEYS)


def _is_key(node: ast.AST) -> bool:
    """Whether a value is called a key, and not of a mapping, an API or a lock."""
    word = ast.unparse(node).rpartition(".")[2]
    return word in ("key", "staged_key", "original_key", "library_key", "object_key")


def _joins(node: ast.JoinedStr, between: str) -> bool:
    """Whether the text between values is that of a path or a rendition's name, not a sentence."""
    values = "".join(ast.unparse(part) for part in node.values if isinstance(part, ast.FormattedValue))
    path = "/" in between or "prefix" in values or ("recipe_id" in values and "-" in between)
    return path and " " not in between


def _constants(node: ast.AST) -> str:
    return "".join(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))


def mentions(source: str, names: frozenset[str]) -> list[int]:
    """Lines with one of these, in a name, an attribute, a keyword, an import, or a text that is no docstring.

    Upper case counts as lower case, and a line break as a space.
    """
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return sorted(
        {
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.expr | ast.stmt | ast.keyword)
            and any(name in " ".join(word.lower().split()) for word in _words(node, docstrings) for name in names)
        }
    )


def _words(node: ast.AST, docstrings: set[int]) -> list[str]:
    words: list[str] = []
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word):
            words = [word]
        case ast.keyword(arg=word):
            words = [word or ""]
        case ast.Import(names=aliases):
            words = [alias.name for alias in aliases]
        case ast.ImportFrom(module=word):
            words = [word or ""]
        case ast.Constant(value=str(word)) if id(node) not in docstrings:
            words = [word]
    return words


def module_name(file: Path) -> str:
    """The dotted name of a file that is given relative to the project."""
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")
