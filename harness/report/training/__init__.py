"""The training of one super-net, and what can be done with it."""
