"""Longhorn: replicated storage, from its own manifest."""
