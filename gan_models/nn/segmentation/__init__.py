"""What lies where in a picture: a network that labels each pixel."""
