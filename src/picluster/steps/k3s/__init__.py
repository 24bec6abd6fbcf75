"""Steps that install K3s, configure it, and bring nodes into one cluster.

`membership` decides who starts the cluster and who joins whom; `config` renders what K3s reads;
`artifacts` and `install` bring K3s onto the node; `service` runs it; `api` is the cluster as seen
through its API; `nodes` judges and labels what is in it; `journal` explains failures.
"""
