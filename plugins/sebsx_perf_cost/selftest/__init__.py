"""How far apart a machine measures identical code: the design of `--against`, with both sides the same, many times."""
