"""Ways in beside HTTP: topics of Kafka that are read, and folders from which files are fetched.

Each is an extra of its own (`pointmaster[kafka]`, `pointmaster[sftp]`), because most installations
need neither; `opening` is the one place that knows whether they are there.
"""
