"""Functions in Python: how they are packaged and started."""
