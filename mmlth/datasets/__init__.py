"""Data sets of mmlth."""
