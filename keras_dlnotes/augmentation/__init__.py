"""Data augmentation: more training images out of the same ones."""

from keras_dlnotes.augmentation.expand import expand
from keras_dlnotes.augmentation.transforms import crop, flip, rotate

__all__ = ["crop", "expand", "flip", "rotate"]
