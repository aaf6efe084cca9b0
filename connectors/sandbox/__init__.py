"""A synthetic province: every sector system that a connector reads, over its real protocol."""
