"""What searches can ask: a table, shared weights, a training-free score, or real trainings."""
