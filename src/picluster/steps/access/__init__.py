"""How nodes are reached after first contact: a key of this computer's, sudo, sshd."""
