"""The page that says how near the metrics are to their references: how it is written, and that none is forgotten."""

from __future__ import annotations

from pathlib import Path

from precision_page import INTRODUCTION, Agreement, rows, write_page

from t2m_bench.metrics.infos import BUILT_IN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "precision.md"
WITHOUT_REFERENCE = {
    "psnr@rgb.mouth",
    "psnr@rgb.face",
    "lse_d@strict.zero",
    "head_motion@std_ratio",
    "pose_fd@windows",
    "blink_rate@diff",
    "ear@err",
    "jitter@landmarks",
    "mouth_energy@corr",
    "sharpness@ratio",
}
"""Metrics defined here, which no other program computes; their own tests compare them with plain loops."""
AGREEMENTS = [
    Agreement("b@x", "plain loops", 4e-8, 1e-6, relative=False, count=2),
    Agreement("a@x", "package 1.0", 3e-3, 1e-2, relative=True, count=1),
    Agreement("b@x", "plain loops", 2e-7, 1e-5, relative=False, count=3),
    Agreement("a@x", "package 1.0", 0.0, 0, relative=False, count=7),
]
LINES = [
    "| a@x | package 1.0 | 0 | 0 | 7 |",
    "| a@x | package 1.0 | 3.0e-03 relative | 1e-02 relative | 1 |",
    "| b@x | plain loops | 2.0e-07 | 1e-05 | 5 |",
]


def test_comparisons_of_the_same_thing_are_one_line_with_the_worst_of_them() -> None:
    assert rows(AGREEMENTS) == LINES


def test_a_new_page_is_the_introduction_and_the_table(tmp_path: Path) -> None:
    write_page(tmp_path / "page.md", AGREEMENTS)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == INTRODUCTION + "\n".join(LINES) + "\n"


def test_notes_below_the_table_are_kept_and_the_table_is_not(tmp_path: Path) -> None:
    page, notes = tmp_path / "page.md", "\n## First\n\nWhy.\n\n## Second\n\nBecause.\n"
    page.write_text("# Old\n\n| old | line |\n" + notes, encoding="utf-8")
    for _ in range(2):
        write_page(page, AGREEMENTS)
        found = page.read_text(encoding="utf-8")
        assert found == INTRODUCTION + "\n".join(LINES) + "\n" + notes


def test_every_metric_with_a_reference_is_in_the_page() -> None:
    table = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    told = {line.split()[1].rstrip(",") for line in table}
    assert {info.id for info, _ in BUILT_IN} - told == WITHOUT_REFERENCE
