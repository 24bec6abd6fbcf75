"""Kubernetes objects as steps: read, compared with what the API has, applied, pruned."""
