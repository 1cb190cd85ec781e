"""PSNR within a region of the reference's face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from t2m_bench.core.errors import MetricError
from t2m_bench.core.metric import FramePairs
from t2m_bench.core.recipe import Recipe
from t2m_bench.metrics.faces import POINTS, FaceMesh
from t2m_bench.metrics.infos import PSNR_FACE, PSNR_MOUTH
from t2m_bench.metrics.pixel import decibels
from t2m_bench.metrics.region import FACE, MOUTH, Region


class PsnrMouth:
    """`psnr@rgb.mouth`: as `psnr@rgb` over the pixels of the mouth, where the reference has it."""

    info = PSNR_MOUTH
    region: Region = MOUTH

    def measure(self, pairs: FramePairs, recipe: Recipe) -> NDArray[np.float64]:
        """Decibels, NaN where the reference shows no face, [B].

        Raises:
            MetricError: the recipe does not mean this region.
        """
        named = recipe.masks.get(self.region.name)
        if named != self.region.digest:
            raise MetricError(
                f"Recipe {recipe.name!r} wants the {self.region.name} drawn as {named or 'nothing'}, "
                f"this program draws {self.region.digest}",
                hint="Name its digest under masks",
            )
        height, width = pairs.reference.shape[1:3]
        error = np.full(len(pairs.reference), np.nan)
        for index, points in enumerate(pairs.features[FaceMesh.name][POINTS]):
            mask = self.region.mask(points, (width, height))
            if mask.any():
                made, real = pairs.prediction[index][mask], pairs.reference[index][mask]  # [N, 3]
                error[index] = np.square(np.subtract(made, real, dtype=np.int32)).mean(dtype=np.float64)
        return decibels(error, recipe)


class PsnrFace(PsnrMouth):
    """`psnr@rgb.face`: as `psnr@rgb` over the pixels of the reference's face."""

    info = PSNR_FACE
    region = FACE
