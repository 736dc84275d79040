"""Rules of the layout, over the source as a tree. Each finds what breaks it, by line; `test_layout.py` applies them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

# Names of what stands in an object key.
PARTS_OF_KEYS = (
    "gallery_id",
    "upload_id",
    "entry_number",
    "library_prefix",
    "upload_prefix",
    "recipe_id",
    "staged_key",
)
# Addresses and messages hold ids between slashes as well.
NOT_KEYS = ("/v1/", "http://", "https://", "api_url", "base_url")


def builds_or_parses_keys(source: str) -> list[int]:
    """Lines that put an object key together, or take one apart."""
    return sorted({node.lineno for node in ast.walk(ast.parse(source)) if _is_about_keys(node)})


def _is_about_keys(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        text = ast.unparse(node)
        parts = [ast.unparse(part) for part in node.values if isinstance(part, ast.FormattedValue)]
        between = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        named = any(name in part for part in parts for name in PARTS_OF_KEYS)
        return named and _joins(node, between) and not any(mark in text for mark in NOT_KEYS)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        text = ast.unparse(node)
        return "/" in _constants(node) and any(name in text for name in PARTS_OF_KEYS)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _takes_apart(node, node.func) or _joins_by_slashes(node, node.func)
    return False


def _joins(node: ast.JoinedStr, between: str) -> bool:
    """Whether the text between values is that of a path or a rendition's name, not a sentence."""
    values = "".join(ast.unparse(part) for part in node.values if isinstance(part, ast.FormattedValue))
    path = "/" in between or "_prefix" in values or ("recipe_id" in values and "-" in between)
    return path and " " not in between


def _constants(node: ast.AST) -> str:
    return "".join(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))


def _takes_apart(call: ast.Call, function: ast.Attribute) -> bool:
    splits = function.attr in ("split", "rsplit", "partition", "rpartition")
    by_slash = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == "/"
    return splits and by_slash and "key" in ast.unparse(function.value)


def _joins_by_slashes(call: ast.Call, function: ast.Attribute) -> bool:
    by_slash = isinstance(function.value, ast.Constant) and function.value.value == "/"
    text = "".join(ast.unparse(argument) for argument in call.args)
    return function.attr == "join" and by_slash and any(name in text for name in PARTS_OF_KEYS)


def mentions(source: str, names: frozenset[str]) -> list[int]:
    """Lines that use one of these names, as a name, an attribute, a keyword or within a text that is no docstring."""
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
            if (isinstance(node, ast.Name) and node.id in names)
            or (isinstance(node, ast.Attribute) and node.attr in names)
            or (isinstance(node, ast.keyword) and node.arg in names)
            or (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docstrings
                and any(name in node.value for name in names)
            )
        }
    )


def imports(source: str, modules: frozenset[str]) -> set[str]:
    """Which of these modules a source imports, anywhere in it: in functions and for type checking, too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found & modules


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, directly or by way of others."""
    reachable = {module: set(_reached(graph, module)) for module in graph}
    together = {
        frozenset(other for other in reachable[module] if module in reachable[other]) | {module}
        for module in graph
        if module in reachable[module]
    }
    return sorted(sorted(circle) for circle in together)


def _reached(graph: Mapping[str, set[str]], start: str) -> Iterator[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        if (module := waiting.pop()) not in seen:
            seen.add(module)
            yield module
            waiting += graph.get(module, ())


def module_name(file: Path) -> str:
    """The dotted name of a file that is given relative to the project."""
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")
