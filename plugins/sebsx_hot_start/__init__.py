"""How quick an invocation can be: a sandbox that polls, as the bound that every platform is held against."""
