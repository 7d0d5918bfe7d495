"""What the shipped algorithms were seen to find, from the results that ship and from the documentation."""

from __future__ import annotations

from collections.abc import Mapping

UNSEEN = "not run yet"
SEEN: Mapping[str, str] = {}
"""Name -> where it was run and what it found."""
