"""Run a trained ticket faster on a CPU: weights that are zero are skipped."""
from mmlth.deploy.deploy import load

__all__ = ['load']
