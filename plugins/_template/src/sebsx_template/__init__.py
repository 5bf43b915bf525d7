"""A platform, a benchmark and an analyzer for sebsx, to start your own from."""
