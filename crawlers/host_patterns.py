"""Hosts as settings name them: `a.example`, `*.a.example` for it and all below it, `*` for all."""

from collections.abc import Iterable

from schemas.urls import host_named


def longest_fitting(host: str, patterns: Iterable[str]) -> str | None:
    """Of the patterns that a host fits the longest, one without a star before all; None if it fits none."""
    fits = [pattern for pattern in patterns if _fits(host, pattern)]
    return max(fits, key=lambda pattern: (not pattern.startswith("*"), len(pattern))) if fits else None


def _fits(host: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    name = host_named(pattern.removeprefix("*."))
    return host == name or (pattern.startswith("*.") and host.endswith(f".{name}"))
