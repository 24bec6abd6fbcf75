"""What can be known of a machine: typed probes, each asked in shell and read into a dataclass.

They look at effects, not at names and versions of distributions, and change nothing: not even a
temporary file, and no service is woken that would write one.
"""
