"""Functions as containers of this machine's Docker engine, behind the gateway."""
