"""The published test kit: contracts that hold a plugin to what sebsx expects, fixtures and fakes."""
