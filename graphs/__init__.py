"""Bonobo graphs: chains of nodes that do not know which file system they run on."""
