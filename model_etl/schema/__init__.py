"""The model's schemas: decoding records, encoding predictions."""
