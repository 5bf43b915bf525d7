"""The benchmarks that come with sebsx, one folder each, by category."""
