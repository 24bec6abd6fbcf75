"""Checks that refuse what cannot work before anything is changed. Nothing here changes a node."""
