"""Images that are built for the cluster.

Read in this order: `dockerfile` (what an image is made from), `context` (the files that go into
it), `log` (what a build says), `built` (the step), `archives` (images that come as files).
"""
