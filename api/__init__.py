"""The doors: the HTTP service, its authentication and the command line."""
