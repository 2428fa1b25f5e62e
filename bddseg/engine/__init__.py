"""Running models over frames."""
