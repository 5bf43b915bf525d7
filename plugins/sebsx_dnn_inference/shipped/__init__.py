"""What is shipped into functions, and the drivers side of it; no module here imports sebsx."""
