"""What the sandbox's control group accounts: processor time, throttling, memory and I/O."""
