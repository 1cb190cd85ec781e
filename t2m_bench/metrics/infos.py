"""What each built-in metric means, without importing what computes it."""

from __future__ import annotations

from t2m_bench.core.metric import MetricInfo
from t2m_bench.metrics.region import FACE, MOUTH
from t2m_bench.metrics.sync_infos import SYNC

PSNR = MetricInfo(
    id="psnr@rgb",
    title="PSNR",
    direction="higher",
    unit="dB",
    summary="Peak signal-to-noise ratio of 8-bit RGB frames, computed for each frame, then averaged.",
    digits=2,
    source="-10 log10 of the mean squared error on [0, 1]; equal frames get the recipe's cap",
)
LPIPS_ALEX = MetricInfo(
    id="lpips@alex",
    title="LPIPS",
    direction="lower",
    unit="",
    summary="Learned perceptual distance of whole RGB frames in AlexNet's features, version 0.1, frame by frame.",
    assets=("alexnet",),
    extra="perceptual",
    source="Zhang et al. 2018, as the package lpips 0.1.4 computes it with normalize=True",
)
LPIPS_VGG = MetricInfo(
    id="lpips@vgg",
    title="LPIPS (VGG)",
    direction="lower",
    unit="",
    summary="As lpips@alex, in VGG-16's features.",
    assets=("vgg16",),
    extra="perceptual",
    source="Zhang et al. 2018, as the package lpips 0.1.4 computes it with normalize=True",
)
PSNR_MOUTH = MetricInfo(
    id="psnr@rgb.mouth",
    title="PSNR mouth",
    direction="higher",
    unit="dB",
    summary="As psnr@rgb over the hull of the reference's 12 outer lip landmarks, made larger by "
    f"{MOUTH.growth:.0%}; mask {MOUTH.digest}.",
    digits=2,
    features=("face_mesh",),
    assets=("face_landmarker",),
)
PSNR_FACE = MetricInfo(
    id="psnr@rgb.face",
    title="PSNR face",
    direction="higher",
    unit="dB",
    summary=f"As psnr@rgb over the hull of the reference's face oval, 36 landmarks; mask {FACE.digest}.",
    digits=2,
    features=("face_mesh",),
    assets=("face_landmarker",),
)
SSIM = MetricInfo(
    id="ssim@rgb",
    title="SSIM",
    direction="higher",
    unit="",
    summary="Structural similarity of RGB frames: 11x11 Gaussian window of sigma 1.5, windows within the picture.",
    source="Wang et al. 2004, as scikit-image computes it with gaussian_weights and without sample covariance",
)
SSIM_MIRRORED = MetricInfo(
    id="ssim@rgb.mirrored",
    title="SSIM",
    direction="higher",
    unit="",
    summary="As ssim@rgb, with one window a pixel and the picture mirrored beyond its edges.",
    source="Wang et al. 2004, as torchmetrics computes it",
)
MS_SSIM = MetricInfo(
    id="ms_ssim@rgb.5",
    title="MS-SSIM",
    direction="higher",
    unit="",
    summary="Multi-scale structural similarity of RGB frames: 5 scales, 11x11 Gaussian window of sigma 1.5.",
    source="Wang, Simoncelli and Bovik 2003, as torchmetrics computes it",
)
MS_SSIM_3 = MetricInfo(
    id="ms_ssim@rgb.3",
    title="MS-SSIM/3",
    direction="higher",
    unit="",
    summary="As ms_ssim@rgb.5 with the first three scales, for pictures with a side of 44 to 175 pixels.",
    source="Wang, Simoncelli and Bovik 2003; exponents divided by their sum",
)
FID = MetricInfo(
    id="fid@inception",
    title="FID",
    direction="lower",
    unit="",
    summary="Frechet distance of normal distributions fitted to the 2048 pool3 features of Inception of all frames.",
    digits=2,
    features=("inception",),
    assets=("inception",),
    extra="perceptual",
    source="Heusel et al. 2017, with the network, weights and resize of pytorch-fid; from 2048 frames on",
)
FID_64 = MetricInfo(
    id="fid@inception.64",
    title="FID-64",
    direction="lower",
    unit="",
    summary="As fid@inception, of the 64 features of the first pooling, averaged over the picture.",
    features=("inception",),
    assets=("inception",),
    extra="perceptual",
    source="pytorch-fid with --dims 64: texture alone; from 64 frames on",
)
KID = MetricInfo(
    id="kid@inception",
    title="KID",
    direction="lower",
    unit="",
    summary="Unbiased squared MMD of pool3 features under the kernel (x.y/2048 + 1)^3; mean of 100 subsets of 1000.",
    digits=5,
    features=("inception",),
    assets=("inception",),
    extra="perceptual",
    source="Binkowski et al. 2018, drawn as torch-fidelity draws (seed 2020), on the features of pytorch-fid",
)
LMD_PIXELS = MetricInfo(
    id="lmd@mouth.px",
    title="LMD",
    direction="lower",
    unit="px",
    summary="Mean distance of 20 mouth landmarks, each set centred on its own mean, in pixels at the recipe's size.",
    features=("face_mesh",),
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
    features=("face_mesh",),
    assets=("face_landmarker",),
    source="Chen et al. 2018, normalised as is usual for face alignment",
)

LMD_FACE = MetricInfo(
    id="lmd@face.px",
    title="LMD-face",
    direction="lower",
    unit="px",
    summary="As lmd@mouth.px, of all 68 points of the face.",
    features=("face_mesh",),
    assets=("face_landmarker",),
    source="Chen et al. 2018, with MediaPipe's detector and the 478-to-68 mapping of the GeneFace family",
)
LMD_FAN_MOUTH = MetricInfo(
    id="lmd@fan.mouth.px",
    title="LMD (FAN)",
    direction="lower",
    unit="px",
    summary="As lmd@mouth.px, with the points 48 to 67 of FAN in the face that S3FD finds.",
    features=("fan_68",),
    assets=("fan2d4", "s3fd"),
    extra="fan",
    source="LMDMeter of ER-NeRF, SyncTalk and TalkingGaussian, after Chen et al. 2018",
)
LMD_FAN_FACE = MetricInfo(
    id="lmd@fan.face.px",
    title="LMD-face (FAN)",
    direction="lower",
    unit="px",
    summary="As lmd@fan.mouth.px, of all 68 points of the face.",
    features=("fan_68",),
    assets=("fan2d4", "s3fd"),
    extra="fan",
    source="LMDMeter of ER-NeRF, SyncTalk and TalkingGaussian with region='face'",
)
HEAD_MOTION = MetricInfo(
    id="head_motion@std_ratio",
    title="Head motion",
    direction="none",
    unit="",
    summary="Spread of the head's rotation and translation over the reference's, geometric mean of both; 1 is perfect.",
    digits=2,
    features=("face_mesh",),
    assets=("face_landmarker",),
    source="This package: docs/metrics-definitions.md",
)
POSE_FD = MetricInfo(
    id="pose_fd@windows",
    title="Pose FD",
    direction="lower",
    unit="",
    summary="Frechet distance of windows of 25 head poses and their changes, over the reference's total variance.",
    features=("face_mesh",),
    assets=("face_landmarker",),
    source="This package: docs/metrics-definitions.md",
)
BLINK_RATE = MetricInfo(
    id="blink_rate@diff",
    title="Blink rate",
    direction="lower",
    unit="1/min",
    summary="Absolute difference of blinks a minute, where the eye aspect ratio falls below 0.6 of its open level.",
    digits=1,
    features=("face_mesh",),
    assets=("face_landmarker",),
    source="This package, with the eye aspect ratio of Dewi et al. 2022: docs/metrics-definitions.md",
)
EAR_ERROR = MetricInfo(
    id="ear@err",
    title="EAR error",
    direction="lower",
    unit="",
    summary="Mean absolute difference of the eye aspect ratio of both eyes, on landmarks turned to the front.",
    features=("face_mesh",),
    assets=("face_landmarker",),
    source="This package, with the eye aspect ratio of Dewi et al. 2022: docs/metrics-definitions.md",
)
JITTER = MetricInfo(
    id="jitter@landmarks",
    title="Jitter",
    direction="lower",
    unit="%",
    summary="Mean second difference of landmarks turned to the front, in percent of the outer eye corners' distance.",
    features=("face_mesh",),
    assets=("face_landmarker",),
    needs_reference=False,
    source="This package: docs/metrics-definitions.md",
)
MOUTH_ENERGY = MetricInfo(
    id="mouth_energy@corr",
    title="Mouth-energy",
    direction="higher",
    unit="",
    summary="Pearson's correlation of the lips' opening with the level of the sound, both smoothed by 80 ms.",
    features=("face_mesh", "sound_level"),
    assets=("face_landmarker",),
    needs_reference=False,
    needs_sound=True,
    source="This package: docs/metrics-definitions.md",
)
SHARPNESS = MetricInfo(
    id="sharpness@ratio",
    title="Sharpness",
    direction="none",
    unit="",
    summary="Mean variance of the Laplacian of the luma of whole frames over the reference's; 1 is perfect.",
    digits=2,
    features=("detail",),
    source="This package: docs/metrics-definitions.md",
)
IDENTITY = MetricInfo(
    id="id_sim@sface",
    title="Identity",
    direction="higher",
    unit="",
    summary="Cosine of SFace's embeddings of the face in the prediction and in the reference, every fifth frame.",
    features=("identity",),
    assets=("face_landmarker", "sface"),
    source="Zhong et al. 2021, as OpenCV's FaceRecognizerSF computes it",
)

BUILT_IN: tuple[tuple[MetricInfo, str], ...] = (
    (PSNR, "t2m_bench.metrics.pixel:Psnr"),
    (LPIPS_ALEX, "t2m_bench.metrics.perceptual:LpipsAlex"),
    (LPIPS_VGG, "t2m_bench.metrics.perceptual:LpipsVgg"),
    (PSNR_MOUTH, "t2m_bench.metrics.masked:PsnrMouth"),
    (PSNR_FACE, "t2m_bench.metrics.masked:PsnrFace"),
    (SSIM, "t2m_bench.metrics.pixel:Ssim"),
    (SSIM_MIRRORED, "t2m_bench.metrics.pixel:SsimMirrored"),
    (MS_SSIM, "t2m_bench.metrics.pixel:MsSsim"),
    (MS_SSIM_3, "t2m_bench.metrics.pixel:MsSsim3"),
    (FID, "t2m_bench.metrics.distribution:Fid"),
    (FID_64, "t2m_bench.metrics.distribution:Fid64"),
    (KID, "t2m_bench.metrics.distribution:Kid"),
    (LMD_PIXELS, "t2m_bench.metrics.landmarks:MouthDistance"),
    (LMD_IOD, "t2m_bench.metrics.landmarks:MouthDistanceByEyes"),
    (LMD_FACE, "t2m_bench.metrics.landmarks:FaceDistance"),
    (LMD_FAN_MOUTH, "t2m_bench.metrics.fan:FanMouthDistance"),
    (LMD_FAN_FACE, "t2m_bench.metrics.fan:FanFaceDistance"),
    *SYNC,
    (HEAD_MOTION, "t2m_bench.metrics.head_motion:HeadMotionRatio"),
    (POSE_FD, "t2m_bench.metrics.head_motion:PoseWindowDistance"),
    (BLINK_RATE, "t2m_bench.metrics.eyes:BlinkRateDifference"),
    (EAR_ERROR, "t2m_bench.metrics.eyes:EarError"),
    (JITTER, "t2m_bench.metrics.jitter:LandmarkJitter"),
    (MOUTH_ENERGY, "t2m_bench.metrics.mouth_energy:MouthEnergy"),
    (SHARPNESS, "t2m_bench.metrics.sharpness:SharpnessRatio"),
    (IDENTITY, "t2m_bench.metrics.identity:IdentitySimilarity"),
)
"""Each metric and the class that computes it, in the order of Table 1."""

FEATURES: dict[str, str] = {
    "face_mesh": "t2m_bench.metrics.faces:FaceMesh",
    "inception": "t2m_bench.metrics.inception:InceptionFeatures",
    "fan_68": "t2m_bench.metrics.fan:FanPoints",
    "sound_level": "t2m_bench.metrics.mouth_energy:SoundLevel",
    "detail": "t2m_bench.metrics.sharpness:Detail",
    "identity": "t2m_bench.metrics.identity:Identity",
    "syncnet_legacy": "t2m_bench.metrics.sync_legacy:SyncNetLegacy",
    "syncnet_strict": "t2m_bench.metrics.sync_strict:SyncNetStrict",
}
"""Each feature of a video and the class that computes it."""
