"""A network at run time: model files, execution providers, tiling, and the `Upscaler` that joins them."""
