"""People's poses on edge devices. The public names; everything else is reached through them."""

__version__ = "0.1.0"
