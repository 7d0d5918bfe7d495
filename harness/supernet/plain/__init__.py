"""Stand-alone networks built from torch's own modules, for scores that look into an untrained network."""
