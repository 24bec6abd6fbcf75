"""OpenTAKServer's image: the Dockerfile, the launcher inside of it, and what releases need."""
