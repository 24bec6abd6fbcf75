"""The lab: throw-away Debian machines on this computer, to rehearse a cluster on.

Each node is a real Debian with systemd, sshd, sudo and apt, booted by systemd-nspawn on an overlay
of one shared base tree, in a network namespace of its own. Read in this order: `base_tree` (what is
installed), `layout` (names and addresses), `identity`, `firmware`, `network`, `supervise` (power),
`rehearsal` (up, down, list), `faults` (what can be broken).
"""
