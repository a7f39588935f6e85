"""Numba kernels of biosig: arrays in, arrays out. Imports NumPy and Numba alone."""
