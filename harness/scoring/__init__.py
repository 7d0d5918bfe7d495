"""Scores of architectures by shared weights under an evaluation protocol, and by learned distributions."""
