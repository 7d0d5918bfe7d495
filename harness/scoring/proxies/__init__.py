"""Training-free scores: what an untrained network says about its architecture, one file for each."""
