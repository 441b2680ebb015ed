"""The process: signals, standard streams, exit."""
