"""Training of the encoders."""
