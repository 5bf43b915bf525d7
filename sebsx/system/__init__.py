"""Where sebsx touches what is not its own: folders, signals, optional packages, words from outside."""
