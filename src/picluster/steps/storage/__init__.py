"""What Longhorn needs of nodes, and what it is given: disks, mounts, its manifest, its settings."""
