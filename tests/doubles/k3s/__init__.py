"""A stand-in for K3s: what picluster touches of it, in plain Python, for lab nodes without K3s."""
