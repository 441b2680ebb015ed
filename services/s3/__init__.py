"""Objects in buckets of Amazon S3, MinIO and other servers that speak S3."""

from model_etl.services.s3.location import find, get_services, locate

__all__ = ["find", "get_services", "locate"]
