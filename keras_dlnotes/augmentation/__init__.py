"""Data augmentation: more training images out of the same ones."""

from keras_dlnotes.augmentation.crop import crop
from keras_dlnotes.augmentation.expand import expand
from keras_dlnotes.augmentation.flip import flip
from keras_dlnotes.augmentation.rotate import rotate

__all__ = ["crop", "expand", "flip", "rotate"]
