"""Finds what makes a browser ask another server while it shows a page."""

from __future__ import annotations

import re

OUTSIDE = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//[^"'\s>]*"""
    r"""|<link(?![^>]*rel=["']?canonical)[^>]*\shref=["']?(?:https?:)?//[^"'\s>]*"""
    r"""|(?:url\(|@import\s)["']?(?:https?:)?//[^"'\s)]*"""
)
"""Scripts, images, style sheets and fonts of other servers; links that a reader follows are not among them."""


def outside(content: str) -> str | None:
    """Return the first request to another server in HTML or CSS; None if there is none."""
    found = OUTSIDE.search(content)
    return found[0] if found else None
