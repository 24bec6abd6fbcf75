"""The applications that picluster brings: what their images are made of."""
