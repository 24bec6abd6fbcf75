"""Why sudo refused, in the words of sudo and of sudo-rs (Ubuntu 25.10 and later).

In `why` and `fix`, `USER` stands for whom it refused.
"""

from __future__ import annotations

from picluster.causes.cause import Cause

ASKS = Cause(
    r"a password is required|no tty present|a terminal is required|"
    r"interactive authentication is required",
    "sudo asks for a password for USER",
    # Asked like this, sudo says the same to those who may not use it at all.
    "set ssh.sudo_password (such as `prompt`), or allow it without: "
    "`echo 'USER ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/010_USER` "
    "as root on the node, which also helps if USER may not use sudo at all",
)
"""What is the matter, too, where a sudo that was given no password says something unknown."""

WRONG_PASSWORD = Cause(
    r"incorrect (password|authentication) attempt|no password was provided",
    "sudo does not accept the password",
    "correct what ssh.sudo_password refers to",
)
"""The same, where it was given one."""

SUDO: tuple[Cause, ...] = (
    WRONG_PASSWORD,
    ASKS,
    Cause(
        r"is not in the sudoers file|is not allowed to (execute|run sudo)|"
        r"Sorry, user \S+ may not run |"
        r"I'm sorry \S+\. I'm afraid I can't do that",
        "USER may not use sudo",
        "`adduser USER sudo`",
    ),
    Cause(
        r"sudo: (Account or password is|Password) expired",
        "the password of USER has expired",
        "log in as USER and set a new one, or `chage -M -1 USER` as root on the node",
    ),
    Cause(
        r"sudo: .*must be owned by uid 0 and have the setuid bit set",
        "sudo has lost its rights on the node",
        "as root there: `chown root:root /usr/bin/sudo && chmod 4755 /usr/bin/sudo`",
    ),
    Cause(r"sudo: (command )?not found", "sudo is not installed", "install it, or log in as root"),
)
