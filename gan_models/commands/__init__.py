"""What `python -m gan_models` can do with files: one module for each command, with an `add_parser`."""
