"""The calibration of numbered steps: which values of a benchmark take the wanted run times on a platform."""
