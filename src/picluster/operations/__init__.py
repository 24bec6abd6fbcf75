"""What disrupts a running cluster: restart, upgrade, reset, replace, snapshots."""
