"""Code shipped into functions, one folder per language; it imports nothing of ours."""
