"""How far architectures that share weights disturb each other, and what goes with it."""
