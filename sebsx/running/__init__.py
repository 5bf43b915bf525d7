"""Carries out a run, from request to teardown."""
