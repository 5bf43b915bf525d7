"""Apache OpenWhisk as a platform: actions from zip files or images, on a server of the user's own or a provider's."""
