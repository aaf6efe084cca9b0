"""Talks to sector systems: one failure never touches another source."""
