"""Strict JSON for formats and rules outside of model_etl: `from model_etl.strict_json import encode_json`."""

from model_etl.records.strict_json import NotJsonError, encode_json, parse_object

__all__ = ["NotJsonError", "encode_json", "parse_object"]
