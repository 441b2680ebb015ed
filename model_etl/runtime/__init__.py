"""The process: signals, standard streams, garbage collection."""
