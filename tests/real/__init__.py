"""The whole story on a real K3s; `make real RELEASE=dir`."""
