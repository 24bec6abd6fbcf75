"""One file per phase: each reads top to bottom as the list of what it guarantees."""
