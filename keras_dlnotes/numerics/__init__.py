"""Pure functions, arrays in and arrays out: the algorithms of the notes."""

from keras_dlnotes.numerics import first_order
from keras_dlnotes.numerics.fan_in import inputs_per_unit
from keras_dlnotes.numerics.kernel_ridge import leave_one_out_predictions

__all__ = ["first_order", "inputs_per_unit", "leave_one_out_predictions"]
