"""Speaking to nodes over SSH: connections, scripts as root, files, ports, host keys.

`SshConnector` implements `picluster.engine.session.Connector`. Fabric is used for what it is good
at (configuration, keys, gateways, the transport); scripts go over the transport's own channels,
because Fabric's `run` feeds stdin one byte at a time.
"""
