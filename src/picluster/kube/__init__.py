"""Speaking to Kubernetes: a way in, readings as plain data, server-side apply, and waits.

Everything here works on an `Api` (see `picluster.kube.api`); `KubeAccess` is the real one. Only a
call that really goes to a cluster imports the `kubernetes` package.
"""
