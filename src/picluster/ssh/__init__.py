"""Speaking to nodes over SSH: connections, scripts as root, files, ports, host keys.

`SshConnector` implements `picluster.engine.session.Connector`. How a host is reached is what the
user's own SSH says (`user_config`). Fabric opens the connections, through gateways too; scripts go
over the transport's own channels, because Fabric's `run` feeds stdin one byte at a time.
"""
