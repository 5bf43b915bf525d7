"""The pytest plugin of sebsx, found by its entry point; importing it is cheap."""
