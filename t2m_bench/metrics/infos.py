"""What each built-in metric means, without importing what computes it."""

from __future__ import annotations

from t2m_bench.core.metric import MetricInfo

PSNR = MetricInfo(
    id="psnr@rgb",
    title="PSNR",
    direction="higher",
    unit="dB",
    summary="Peak signal-to-noise ratio of 8-bit RGB frames, computed for each frame, then averaged.",
    digits=2,
    source="-10 log10 of the mean squared error on [0, 1]; equal frames get the recipe's cap",
)
MS_SSIM = MetricInfo(
    id="ms_ssim@rgb.5",
    title="MS-SSIM",
    direction="higher",
    unit="",
    summary="Multi-scale structural similarity of RGB frames: 5 scales, 11x11 Gaussian window of sigma 1.5.",
    source="Wang, Simoncelli and Bovik 2003, as torchmetrics computes it",
)
LMD_PIXELS = MetricInfo(
    id="lmd@mouth.px",
    title="LMD",
    direction="lower",
    unit="px",
    summary="Mean distance of 20 mouth landmarks, each set centred on its own mean, in pixels at the recipe's size.",
    assets=("face_landmarker",),
    source="Chen et al. 2018, with MediaPipe's detector and the 478-to-68 mapping of the GeneFace family",
)
LMD_IOD = MetricInfo(
    id="lmd@mouth.iod",
    title="LMD/IOD",
    direction="lower",
    unit="%",
    summary="As lmd@mouth.px, divided by the distance of the reference's outer eye corners.",
    digits=2,
    assets=("face_landmarker",),
    source="Chen et al. 2018, normalised as is usual for face alignment",
)

BUILT_IN: tuple[tuple[MetricInfo, str], ...] = (
    (PSNR, "t2m_bench.metrics.pixel:Psnr"),
    (MS_SSIM, "t2m_bench.metrics.pixel:MsSsim"),
    (LMD_PIXELS, "t2m_bench.metrics.landmarks:MouthDistance"),
    (LMD_IOD, "t2m_bench.metrics.landmarks:MouthDistanceByEyes"),
)
"""Each metric and the class that computes it, in the order of Table 1."""
