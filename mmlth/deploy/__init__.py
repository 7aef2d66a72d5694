"""Run a trained ticket faster on a CPU: weights that are zero are skipped."""
