"""What a node's operating system has to be like before K3s runs on it.

Each module knows one subject, looks at effects rather than at names of distributions, and judges
without touching the node.
"""
