"""What runs beside a Python function: the shim that wraps it and the bootstrap that feeds it."""
