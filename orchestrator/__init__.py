"""Distributed TensorFlow training, run as easily as one process."""
