"""Data frames of records, with the types that the schema gives them: for models, for training and for notebooks."""

from model_etl.frames.frame_builder import FRAMES, FrameBuilder, to_frame

__all__ = ["FRAMES", "FrameBuilder", "to_frame"]
