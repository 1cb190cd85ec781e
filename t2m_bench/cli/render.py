"""`t2m-bench render`: a video, or a point cloud, from an avatar that a run has trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: t2m-bench render RUN/demo/checkpoints/talk2me/demo_en --audio speech.wav --out speech.mp4"


def render(
    avatar: Annotated[Path, typer.Argument(help="Checkpoint folder of talk2me.")],
    audio: Annotated[
        Path | None, typer.Option(help="Sound or video file whose sound drives the avatar.")
    ] = None,
    track: Annotated[
        Path | None, typer.Option(help="Track file (.npz) whose expression and pose drive it instead.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Video to write (.mp4).")] = None,
    ply: Annotated[Path | None, typer.Option(help="Write the neutral Gaussians as PLY, too.")] = None,
    size: Annotated[int | None, typer.Option(min=16, max=4096, help="Height of the video, pixels.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Render an avatar driven by sound or by a track, or export its Gaussians."""
    from t2m_bench.cli.output import print_json
    from t2m_bench.cli.progress import open_reporter
    from t2m_bench.core.errors import UsageError
    from t2m_bench.methods.talk2me.fitted import FittedAvatar
    from t2m_bench.methods.talk2me.render import drive_from, export_ply, render_video

    if out is None and ply is None:
        raise UsageError("Nothing is to be written", hint="Give --out for a video, --ply for the Gaussians")
    fitted = FittedAvatar.load(avatar)
    made: dict[str, object] = {"avatar": str(avatar)}
    if ply is not None:
        made |= {"ply": str(ply), "gaussians": export_ply(fitted, ply)}
    if out is not None:
        with open_reporter() as report:
            drive = drive_from(fitted, audio, track)
            made |= {"video": str(out), "frames": render_video(fitted, drive, out, size, report)}
    if json_:
        print_json(made)
    else:
        for name in ("video", "ply"):
            if name in made:
                print(f"{name}: {made[name]}")
