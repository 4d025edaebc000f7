"""Perceptual features: VGG16, VGG19 and the compact network of this project.

`checkpoints.load("features-compact")`, `"vgg16"` and `"vgg19"` give networks with one interface, `VGG`: call them
with pictures and layer names ("relu1_1", ...). The compact one is embedded; its layers reach "relu4_3".
"""

from gan_models.nn.features.network import VGG

__all__ = ["VGG"]
