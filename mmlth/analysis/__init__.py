"""Tables and figures from records on disk; never from a live model."""
