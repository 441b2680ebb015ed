"""Files of this machine, and its standard streams."""

from model_etl.services.local.location import StandardStream, below, find, get_services, is_folder, locate

__all__ = ["StandardStream", "below", "find", "get_services", "is_folder", "locate"]
