"""StyleGAN2-ADA: networks, training, and faces drawn with them."""
