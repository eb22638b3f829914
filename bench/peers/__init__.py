"""Servers to be measured, each a private instance on loopback ports in a directory of its own."""
