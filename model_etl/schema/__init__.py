"""Schemas: validation of records and outputs, their fields, and records as columns."""
