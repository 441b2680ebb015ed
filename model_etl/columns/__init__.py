"""Columns whose types come from the model's schema: what each field's column is, and records as Arrow arrays."""
