"""How measurements are recorded: event files, tables, tracking services, and in memory."""

from keras_dlnotes.summaries.event_file_writer import EventFileWriter
from keras_dlnotes.summaries.memory_writer import MemoryWriter
from keras_dlnotes.summaries.mlflow_writer import MLflowWriter
from keras_dlnotes.summaries.table_writer import TableWriter
from keras_dlnotes.summaries.wandb_writer import WandbWriter

__all__ = ["EventFileWriter", "MLflowWriter", "MemoryWriter", "TableWriter", "WandbWriter"]
