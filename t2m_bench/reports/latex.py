"""Tables as LaTeX, for `booktabs`."""

from __future__ import annotations

from t2m_bench.reports.table import Cell, Column, Table

_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "∞": r"$\infty$", "†": r"$^\dagger$", "‡": r"$^\ddagger$", "<": r"\textless{}", ">": r"\textgreater{}",
    "\n": " ",
}  # fmt: skip


def to_latex(table: Table) -> str:
    """A `table` float that needs the package `booktabs`: best bold, second underlined."""
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{' '.join(escape(sentence) for sentence in (table.title + '.', *table.caption))}}}",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        _line([_head(column) for column in table.columns]),
    ]
    for group in table.groups:
        lines.append(r"\midrule")
        if group.title:
            lines.append(rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\textit{{{escape(group.title)}}}}} \\")
        lines += [_line([_cell(cell) for cell in row.cells]) for row in group.rows]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """`text` with everything that means something to LaTeX made harmless."""
    return "".join(_SIGNS.get(sign, sign) for sign in text)


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _head(column: Column) -> str:
    return escape(column.head.replace("[", "(").replace("]", ")"))


def _cell(cell: Cell) -> str:
    shown = escape(cell.text)
    if cell.bold:
        shown = rf"\textbf{{{shown}}}"
    if cell.underline:
        shown = rf"\underline{{{shown}}}"
    return shown + escape(cell.mark)
