"""The super-net of DARTS cells, and the stand-alone network of a pair of cells."""
