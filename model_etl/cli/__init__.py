"""The command line: what a person or cron types, and what they read."""
