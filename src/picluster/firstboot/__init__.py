"""A freshly flashed card that boots ready for `up`: what is put on its boot partition."""
