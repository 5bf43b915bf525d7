"""What a plugin author may write: one file for each kind of plugin."""
