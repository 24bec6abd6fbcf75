"""What only looks: status, doctor, credentials, the support bundle."""
