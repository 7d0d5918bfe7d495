"""Training of super-nets."""
