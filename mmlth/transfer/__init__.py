"""Carry a ticket, or a dense checkpoint's magnitudes, to another model; report what arrived."""
