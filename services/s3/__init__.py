"""Objects in buckets of Amazon S3, MinIO and other servers that speak S3."""

from model_etl.services.s3.location import find_files, get_services, is_folder, locate, locate_in_folder

__all__ = ["find_files", "get_services", "is_folder", "locate", "locate_in_folder"]
