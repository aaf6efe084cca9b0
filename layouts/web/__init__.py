"""The web door: who may ask, the live stream, downloads and the JSON interface."""
