"""What the services share: locks, file-name patterns, temporary files."""
