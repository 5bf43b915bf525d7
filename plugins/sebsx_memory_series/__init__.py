"""Resident, proportional and unique memory of a function over time."""
