"""The configuration: one `pointmaster.toml` for what is public, the environment for every secret.

`file` is the shape of the file, `strict` finds every mistake in it at once, `environment` reads the
secrets, and `loading` puts all of it together.
"""

from api.configuration.loading import (
    Configuration,
    ConfigurationError,
    DatabaseSettings,
    TenantSettings,
    load,
)

__all__ = [
    "Configuration",
    "ConfigurationError",
    "DatabaseSettings",
    "TenantSettings",
    "load",
]
