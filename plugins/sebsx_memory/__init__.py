"""What replicas of one function keep in memory, what they share, and what sharing costs."""
