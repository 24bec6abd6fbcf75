"""First contact: what is set up where the first login is by password."""

from __future__ import annotations

from picluster.model.scalars import YesNo
from picluster.model.section import Section


class Bootstrap(Section):
    """What first contact leaves behind, so that everything after it goes by key."""

    passwordless_sudo: YesNo = True
    """Whether nodes with ssh.password let the user use sudo without a password."""
    disable_password_login: YesNo = False
    """Whether every node refuses logins by password, once the key is known to work."""
