"""Reads stored runs back: conditions, comparisons, estimates and reports."""
