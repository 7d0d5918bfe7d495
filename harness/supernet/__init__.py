"""Super-nets: every architecture of a space in one set of shared weights."""
