"""From a crop of a person to an embedding.

An encoder takes crops as they are cut, (N, height, width, 3) uint8 RGB. It gives (N, dimensions) float32 rows. Once
they have length 1, their dot product is the affinity of two crops. All preprocessing is part of the network, and never
wrong.
"""

from reid.encoder.network import (
    Backbone,
    Encoder,
    EncoderConfig,
    EncoderError,
    Features,
    Head,
    Pooling,
    between,
    export_onnx,
    load_encoder,
    new_encoder,
    save_encoder,
)

__all__ = [
    "Backbone",
    "Encoder",
    "EncoderConfig",
    "EncoderError",
    "Features",
    "Head",
    "Pooling",
    "between",
    "export_onnx",
    "load_encoder",
    "new_encoder",
    "save_encoder",
]
