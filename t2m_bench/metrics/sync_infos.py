"""What each metric of lip sync means, without importing what computes it."""

from __future__ import annotations

from dataclasses import replace

from t2m_bench.core.metric import MetricInfo

LSE_D_LEGACY = MetricInfo(
    id="lse_d@legacy",
    title="LSE-D",
    direction="lower",
    unit="",
    summary="SyncNet distance of lips and sound at the best of 31 shifts, by the public pipeline; mean over tracks.",
    features=("syncnet_legacy",),
    assets=("syncnet", "sfd_face"),
    extra="sync",
    needs_reference=False,
    needs_sound=True,
    source="Prajwal et al. 2020, evaluation/scores_LSE for real videos, on Chung and Zisserman 2016",
)
LSE_C_LEGACY = replace(
    LSE_D_LEGACY,
    id="lse_c@legacy",
    title="LSE-C",
    direction="higher",
    summary="Median minus least SyncNet distance over 31 shifts, by the public pipeline; mean over face tracks.",
)
AV_OFFSET_LEGACY = replace(
    LSE_D_LEGACY,
    id="av_offset@legacy",
    title="AV offset",
    direction="none",
    unit="frames",
    digits=0,
    summary="Frames by which the sound is ahead of the picture by the least SyncNet distance, of the longest track.",
)
LSE_D_STRICT = replace(
    LSE_D_LEGACY,
    id="lse_d@strict",
    features=("syncnet_strict",),
    summary="As lse_d@legacy on decoded frames without another codec, over windows with picture and sound; from 44 "
    "frames on.",
    source="Prajwal et al. 2020, without the losses and the zero padding of the public pipeline",
)
LSE_D_STRICT_ZERO = replace(
    LSE_D_STRICT,
    id="lse_d@strict.zero",
    title="LSE-D/0",
    summary="As lse_d@strict, without a shift: an offset of sound and picture counts.",
)
LSE_C_STRICT = replace(
    LSE_D_STRICT,
    id="lse_c@strict",
    title="LSE-C",
    direction="higher",
    summary="Median minus least SyncNet distance over 31 shifts, each over the windows with picture and sound.",
)
AV_OFFSET_STRICT = replace(
    LSE_D_STRICT,
    id="av_offset@strict",
    title="AV offset",
    direction="none",
    unit="frames",
    digits=0,
    summary="Frames by which the sound is ahead of the picture by the least distance of lse_d@strict.",
)
SYNC: tuple[tuple[MetricInfo, str], ...] = (
    (LSE_D_LEGACY, "t2m_bench.metrics.sync:LseDistanceLegacy"),
    (LSE_C_LEGACY, "t2m_bench.metrics.sync:LseConfidenceLegacy"),
    (AV_OFFSET_LEGACY, "t2m_bench.metrics.sync:OffsetLegacy"),
    (LSE_D_STRICT, "t2m_bench.metrics.sync:LseDistanceStrict"),
    (LSE_D_STRICT_ZERO, "t2m_bench.metrics.sync:LseDistanceStrictZero"),
    (LSE_C_STRICT, "t2m_bench.metrics.sync:LseConfidenceStrict"),
    (AV_OFFSET_STRICT, "t2m_bench.metrics.sync:OffsetStrict"),
)
"""Each metric and the class that computes it."""
