"""What a user asks of a job: the settings, their flags, and the trainings that they name."""
