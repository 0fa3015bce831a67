"""What all sections of the settings have in common: frozen, by keyword, no unknown names."""

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what the configuration file states."""
