"""How long a function that was profiled on one processor will run on another, and what that will cost."""
