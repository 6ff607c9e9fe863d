"""How an epoch's data says that it is at its end."""

# What a train function raises when no batch is left; a data set of unknown length always does.
END_OF_DATA = (StopIteration,)
