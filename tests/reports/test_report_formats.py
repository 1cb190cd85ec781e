from __future__ import annotations

import csv
import io
import json
import math

import pytest
from rich.console import Console

from t2m_bench.core.errors import UnknownName
from t2m_bench.reports.formats import FORMATS, render
from t2m_bench.reports.table import Cell, Column, Group, Row, Table, emphasise, number, text
from t2m_bench.reports.terminal import print_table, to_text

COLUMNS = (
    Column("method", "Method", numeric=False),
    Column("psnr@rgb", "PSNR", "dB", "higher"),
    Column("lmd", "LMD", "", "lower"),
)


def table() -> Table:
    rows = [("real", "Real & true", "†"), ("a_b", "A_b 100%", ""), ("c", "C|d <e>", "")]
    psnr = emphasise([number(math.inf, 2), number(20.404, 2), number(14.1, 2)], "higher", [False, True, True])
    lmd = [number(0.0, 3), number(1.25, 3, "*"), number(None, 3)]
    made = [
        Row((text(key, shown, mark), p, q)) for (key, shown, mark), p, q in zip(rows, psnr, lmd, strict=True)
    ]
    return Table(
        "Table 9: a test",
        COLUMNS,
        (Group("Controls", (made[0],)), Group("3DGS", tuple(made[1:]))),
        ("† oracle.", "50 % of a_b."),
        {"dataset": "toy", "recipe": "native"},
    )


def test_markdown() -> None:
    assert render(table(), "md") == (
        "**Table 9: a test**\n"
        "\n"
        "| Method | PSNR [dB] ↑ | LMD ↓ |\n"
        "| :--- | ---: | ---: |\n"
        "| **Controls** |  |  |\n"
        "| Real & true† | ∞ | 0.000 |\n"
        "| **3DGS** |  |  |\n"
        "| A\\_b 100% | **20.40** | 1.250\\* |\n"
        "| C\\|d \\<e> | <u>14.10</u> | - |\n"
        "\n"
        "- † oracle.\n"
        "- 50 % of a\\_b.\n"
    )


def test_latex() -> None:
    assert render(table(), "latex") == (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}[t]\n"
        "\\centering\n"
        "\\caption{Table 9: a test. $^\\dagger$ oracle. 50 \\% of a\\_b.}\n"
        "\\begin{tabular}{lrr}\n"
        "\\toprule\n"
        "Method & PSNR (dB) $\\uparrow$ & LMD $\\downarrow$ \\\\\n"
        "\\midrule\n"
        "\\multicolumn{3}{l}{\\textit{Controls}} \\\\\n"
        "Real \\& true$^\\dagger$ & $\\infty$ & 0.000 \\\\\n"
        "\\midrule\n"
        "\\multicolumn{3}{l}{\\textit{3DGS}} \\\\\n"
        "A\\_b 100\\% & \\textbf{20.40} & 1.250* \\\\\n"
        "C|d \\textless{}e\\textgreater{} & \\underline{14.10} & - \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\end{table}\n"
    )


def test_csv_holds_full_precision_and_the_facts() -> None:
    rows = list(csv.DictReader(io.StringIO(render(table(), "csv"))))
    assert [list(row.values()) for row in rows] == [
        ["toy", "native", "Controls", "real", "inf", "0.0"],
        ["toy", "native", "3DGS", "a_b", "20.404", "1.25"],
        ["toy", "native", "3DGS", "c", "14.1", ""],
    ]


def test_json_is_strict_json() -> None:
    found = json.loads(render(table(), "json"), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["dataset"] == "toy"
    assert found["rows"][0] == {
        "group": "Controls", "method": "real", "psnr@rgb": "inf", "lmd": 0.0, "marks": {"method": ["†"]},
    }  # fmt: skip
    assert found["rows"][1]["marks"] == {"psnr@rgb": ["best"], "lmd": ["*"]}
    assert found["rows"][2]["lmd"] is None
    assert found["caption"] == ["† oracle.", "50 % of a_b."]


def test_html_escapes_and_marks() -> None:
    page = render(table(), "html")
    assert "Real &amp; true<sup>†</sup>" in page
    assert "C|d &lt;e&gt;" in page
    assert '<td class="best" style="text-align:right"><b>20.40</b></td>' in page
    assert '<td class="second" style="text-align:right"><u>14.10</u></td>' in page
    assert page.count("<tbody>") == page.count("</tbody>") == 2
    assert page.count("<tr>") == page.count("</tr>") == 6


def test_plain_text() -> None:
    assert render(table(), "rich") == (
        "Table 9: a test\n"
        "                PSNR     LMD\n"
        "Method        [dB] ↑       ↓\n"
        "─────────────────────────────\n"
        "Controls\n"
        "Real & true†       ∞   0.000\n"
        "\n"
        "3DGS\n"
        "A_b 100%       20.40  1.250*\n"
        "C|d <e>        14.10       -\n"
        "\n"
        "† oracle.\n"
        "50 % of a_b.\n"
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_table_gives_the_same_bytes(name: str) -> None:
    assert render(table(), name).encode() == render(table(), name).encode()


def test_an_unknown_format_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="Unknown table format 'latx'. Did you mean 'latex'"):
        render(table(), "latx")


def long_table(columns: int) -> Table:
    name = "Talk2Me @paper +avatar.render_channels=3 +lpe=off +region.landmarks=gha"
    heads = (
        Column("method", "Method", numeric=False),
        *(Column(f"m{i}", f"Metric {i}", "px") for i in range(columns)),
    )
    cells = tuple(number(12.345, 3) for _ in range(columns))
    return Table("Table", heads, (Group("", (Row((text("x", name), *cells)),)),))


@pytest.mark.parametrize("columns", [1, 4, 6, 12])
@pytest.mark.parametrize("width", [20, 40, 80])
def test_nothing_is_cut_on_a_narrow_terminal(columns: int, width: int) -> None:
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=True, color_system=None, legacy_windows=False)
    print_table(long_table(columns), console)
    shown = buffer.getvalue()
    assert "…" not in shown
    assert shown.count("12.345") == columns
    letters = [sign for sign in shown if sign.isalnum() or sign in "=@+._"]
    wanted = iter(letters)
    assert all(
        sign in wanted for sign in "Talk2Me@paper+avatar.render_channels=3+lpe=off+region.landmarks=gha"
    )


def test_six_metrics_and_a_long_name_fit_into_80_columns() -> None:
    assert max(len(line) for line in to_text(long_table(5), width=80).splitlines()) <= 80


def test_best_and_second() -> None:
    cells = [number(value, 1) for value in (1.0, 3.0, 2.0, 9.0, 3.04)]
    marked = emphasise(cells, "higher", [True, True, True, False, True])
    assert [(cell.bold, cell.underline) for cell in marked] == [
        (False, False), (True, False), (False, True), (False, False), (True, False),
    ]  # fmt: skip
    lower = emphasise(cells, "lower", [True, True, True, False, True])
    assert [cell.text for cell in lower if cell.bold] == ["1.0"]
    assert [cell.text for cell in lower if cell.underline] == ["2.0"]


def test_nothing_is_best_where_nothing_competes() -> None:
    cells = [number(1.0, 1), number(None, 1), number(2.0, 1)]
    assert emphasise(cells, "higher", [True, True, False]) == cells


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (math.nan, "-"), (math.inf, "∞"), (-math.inf, "-∞"), (0.12549, "0.125"), (-2.0, "-2.000")],
)
def test_numbers(value: float | None, shown: str) -> None:
    assert number(value, 3).text == shown


def test_heads() -> None:
    assert [column.head for column in COLUMNS] == ["Method", "PSNR [dB] ↑", "LMD ↓"]
    assert Cell("1", 1.0, "*").marked == "1*"
