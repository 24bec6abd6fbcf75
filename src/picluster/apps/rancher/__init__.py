"""Rancher and the cert-manager it needs, from their charts."""
