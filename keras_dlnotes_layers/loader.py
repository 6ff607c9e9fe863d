"""The entry point that TensorBoard calls at its start, and which must not keep it from starting."""

from tensorboard.plugins import base_plugin

from keras_dlnotes_layers.format import PLUGIN_NAME

# TensorBoard keeps 100 steps of a tensor by default, and the first need not be among them.
SAMPLES = 1000


class LayersLoader(base_plugin.TBLoader):
    """Loads the tab, and has TensorBoard keep enough steps of what it shows."""

    def fix_flags(self, flags):
        """Raises the number of kept steps, unless the user chose one."""
        samples = getattr(flags, "samples_per_plugin", None)
        if isinstance(samples, dict):
            samples.setdefault(PLUGIN_NAME, SAMPLES)

    def load(self, context):
        """The plugin; None where TensorBoard has no data provider, as in its oldest mode."""
        if context.data_provider is None:
            return None
        from keras_dlnotes_layers.plugin import LayersPlugin

        return LayersPlugin(context)
