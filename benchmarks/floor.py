"""The floor: one Fabric connection per node, all at once, each running `true`. Nothing else.

`python -m benchmarks.floor KEY KNOWN_HOSTS PORT ADDRESS...`
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import fabric
import paramiko


def visit(address: str, key: str, known_hosts: str, port: int) -> None:
    with fabric.Connection(
        address, user="pi", port=port, connect_kwargs={"key_filename": key}
    ) as node:
        node.client.load_host_keys(known_hosts)
        node.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        node.run("true", hide=True, in_stream=False)


def main(key: str, known_hosts: str, port: str, *addresses: str) -> None:
    with ThreadPoolExecutor(len(addresses)) as pool:
        list(pool.map(lambda address: visit(address, key, known_hosts, int(port)), addresses))


if __name__ == "__main__":
    main(*sys.argv[1:])
