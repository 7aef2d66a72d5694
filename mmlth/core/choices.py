"""Names that settings choose among, known before torch is imported."""

FROZEN_POLICIES = ('prune', 'keep')  # what happens to weights that no training changes
EXPORTS = ('trained', 'initial')  # which weights of a ticket are exported
KEEP = ('weights', 'all')  # what a finished training leaves of its checkpoints
