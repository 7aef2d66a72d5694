"""A whole IMP job: what happens before, between and after the trainings that the engine does."""
