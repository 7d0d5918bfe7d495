"""What super-nets of a recipe add to training-free scores: both computed for a whole space, stage by stage."""
