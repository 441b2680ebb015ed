"""The storage of this machine: its files and its standard streams."""

from model_etl.services.local.location import find_files, get_services, is_folder, locate, locate_in_folder
from model_etl.services.local.standard_stream import StandardStream

__all__ = ["StandardStream", "find_files", "get_services", "is_folder", "locate", "locate_in_folder"]
