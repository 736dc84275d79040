"""Environments for processes that must not inherit everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LOOPBACK = ("127.0.0.1", "localhost")


def without(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """A copy of `environment` that lacks `names`."""
    dropped = frozenset(names)
    return {name: value for name, value in environment.items() if name not in dropped}


def bypassing_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy whose `no_proxy` covers 127.0.0.1: a company's proxy cannot reach the stack."""
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host.strip() for host in listed.split(",") if host.strip()]
    joined = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])
    return {**environment, "NO_PROXY": joined, "no_proxy": joined}
