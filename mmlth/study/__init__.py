"""Studies: grids of IMP jobs that share what they can, and their tables and figures."""
