"""Command line of MCPCAN."""

__version__ = "0.1.0"
