"""What the emulated machine needs on this computer: programs, and their Debian packages."""

from __future__ import annotations

from picluster.lab import requirements

PACKAGES = {
    "qemu-system-aarch64": "qemu-system-arm",
    "debootstrap": "debootstrap",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "ssh-keygen": "openssh-client",
    "dpkg-scanpackages": "dpkg-dev",
}

if __name__ == "__main__":
    requirements.main(PACKAGES)
