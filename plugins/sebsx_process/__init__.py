"""Processor time, page faults, context switches and peak memory of a function, from `getrusage`."""
