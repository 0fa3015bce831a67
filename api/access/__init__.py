"""Who may come in: API keys with scopes, each of one tenant."""
