"""Rotations of three-dimensional space, as matrices, many at once."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Matrices", "Vectors", "rotation_matrices", "rotation_vectors"]

Vectors = NDArray[np.float64]
"""(n, 3)"""
Matrices = NDArray[np.float64]
"""(n, 3, 3), each a rotation"""

_SMALL_ANGLE = 1e-9


def rotation_matrices(vectors: Vectors) -> Matrices:
    """Rotations about each vector's direction by its length in radians (Rodrigues' formula)."""
    angles = np.linalg.norm(vectors, axis=1)
    x, y, z = (vectors / np.maximum(angles, _SMALL_ANGLE)[:, np.newaxis]).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, cosine = np.sin(angles)[:, np.newaxis, np.newaxis], np.cos(angles)[:, np.newaxis, np.newaxis]
    rotations: Matrices = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    return rotations


def rotation_vectors(matrices: Matrices) -> Vectors:
    """The inverse of `rotation_matrices`, for angles below half a turn."""
    skew = matrices - matrices.transpose(0, 2, 1)
    axes = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1) / 2
    sines = np.linalg.norm(axes, axis=1)
    angles = np.arctan2(sines, (np.trace(matrices, axis1=1, axis2=2) - 1) / 2)
    scale = np.where(sines > _SMALL_ANGLE, angles / np.maximum(sines, _SMALL_ANGLE), 1.0)
    vectors: Vectors = axes * scale[:, np.newaxis]
    return vectors
