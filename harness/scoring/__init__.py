"""Scorers of architectures: shared weights under an evaluation protocol, and learned distributions."""
