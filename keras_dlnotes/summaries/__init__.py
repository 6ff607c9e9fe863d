"""How measurements are recorded: TensorBoard event files and an in-memory writer."""

from keras_dlnotes.summaries.event_file_writer import EventFileWriter
from keras_dlnotes.summaries.memory_writer import MemoryWriter

__all__ = ["EventFileWriter", "MemoryWriter"]
