"""What can go wrong with the own server, said to the person who has to do something about it."""


class EmbeddedServerError(Exception):
    """The own PostgreSQL server can't be run as asked."""


class UnusableFolderError(EmbeddedServerError):
    """The data folder can't be used: someone else's, of another version, or not reachable."""


class ServerDidNotStartError(EmbeddedServerError):
    """PostgreSQL ended while it was starting; the message carries the last lines of its log."""


class ServerDidNotStopError(EmbeddedServerError):
    """Processes of the server are still there after everything that may be tried was tried."""


class StartAbandonedError(EmbeddedServerError):
    """The caller gave up waiting for the server to start."""
