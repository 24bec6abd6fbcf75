"""picluster: from a box of Raspberry Pis to a running, highly available K3s cluster."""

__version__ = "0.1.0"
