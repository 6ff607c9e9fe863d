"""A search in processes of its own: python -m tests.tuning.worker JSON."""

import json
import os
import sys
import time

from keras_dlnotes.tuning import RandomSearch
from tests.landscape_model import LandscapeModel


def search_of(directory, trials, storage=None, seconds=0.0, started=None):
    """A random search whose trials take some time and leave a line each in a file."""

    def build(hp):
        x = hp.Float("x", 0, 1)

        def curve(epoch):
            if epoch == 0 and started is not None:
                with open(started, "a") as file:
                    file.write(f"{os.getpid()} {x!r}\n")
            time.sleep(seconds)
            return {"loss": x + 1 / (epoch + 1)}

        hp.Int("y", 1, 9)
        return LandscapeModel(curve)

    return RandomSearch(build, "loss", trials, directory, storage=storage, verbose=0)


def main(processes=1, **arguments):
    """Runs the search in so many processes, made after the imports, which take seconds."""
    # Keras seeds TensorFlow on every backend where it is installed, and imports it for that.
    sys.modules["tensorflow"] = None
    for _ in range(processes - 1):
        if os.fork() == 0:
            search_of(**arguments).run(epochs=3)
            return
    search_of(**arguments).run(epochs=3)
    for _ in range(processes - 1):
        if os.wait()[1] != 0:
            sys.exit("a process failed")


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
