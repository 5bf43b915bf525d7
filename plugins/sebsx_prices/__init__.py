"""Price lists of the public clouds: what they charge, with dates and sources."""
