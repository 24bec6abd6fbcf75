"""The cluster's own image registry: Docker on one node, the container, and what reaching it takes.

Read in this order: `paths`, `docker` (the engine), `certificates` and `credentials` (who may speak
to it, and how it proves itself), `image` and `container` (the registry itself), `probe_image`,
`api` and `pull` (that every node can really pull), `contents` and `garbage` (the commands),
`removal`.
"""
