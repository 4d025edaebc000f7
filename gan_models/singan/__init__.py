"""SinGAN: a generative model of a single picture."""
