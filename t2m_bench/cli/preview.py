"""`t2m-bench datasets preview`: a clip with its track drawn on it, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: t2m-bench datasets preview talk.mp4 --out looks --video"


def preview(
    clip: Annotated[Path, typer.Argument(help="Video file.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder, or a file name (.png, .mp4); this folder if none."),
    ] = None,
    video: Annotated[bool, typer.Option("--video", help="Write a video, too, with every frame.")] = False,
    track: Annotated[
        Path | None, typer.Option(help="Track file (.npz) instead of CLIP.track.npz or a new track.")
    ] = None,
    matting: Annotated[str, typer.Option(help="selfie, rvm or none.")] = "selfie",
    cache: Annotated[Path | None, typer.Option(help="Folder for tracks.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw landmarks, head axes, box and matte on a clip, with its eyes and its sound as curves."""
    from t2m_bench.cli.output import print_json
    from t2m_bench.cli.progress import open_reporter
    from t2m_bench.reports.preview import open_preview, targets, write_preview_sheet, write_preview_video

    sheet, moving = targets(out, clip, video=video, force=force)
    with open_reporter() as report:
        opened = open_preview(clip, track=track, matting=matting, cache=cache, report=report)  # type: ignore[arg-type]
        write_preview_sheet(opened, sheet)
        if moving is not None:
            write_preview_video(opened, moving, report)
    made = {"sheet": str(sheet), **({"video": str(moving)} if moving else {})}
    if json_:
        print_json({"clip": str(clip), **made, "frames": len(opened.track), "track": opened.track.source})
    else:
        for name, path in made.items():
            print(f"{name}: {path}")
