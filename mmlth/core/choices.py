"""Names that settings choose among, and a default, known before torch is imported."""

FROZEN_POLICIES = ('prune', 'keep')  # what happens to weights that no training changes
EXPORTS = ('trained', 'initial')  # which weights of a ticket are exported
COST_EXPONENT = 0.5  # mmlth.core.criteria.magnitude_per_cost says why
QUESTIONS = ('images', 'objects', 'errors', 'convergence', 'cost')  # that an analysis answers
FROM_PREDICTIONS = ('images', 'objects', 'errors')  # those that need dumped predictions
KEEP = ('weights', 'all')  # what a finished training leaves of its checkpoints
