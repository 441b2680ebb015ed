"""Bonobo graphs: chains of steps that do not know what file system they run on."""
