"""A thousand texts that a spreadsheet, a CSV or a workbook could take for something else."""

import random

STARTS = [
    "=", "+", "-", "@", "＝", "＋", "－", "＠", "'", "''", '"', "\t", "\r", "\n", "\r\n", " ",
    "\u00a0", ";", ",", "|", "\ufeff", "\u202e", "\u200b", "0", "00", "1e", "<", "&", "_x0041_",
    "%", "#", "",
]  # fmt: skip
BODIES = [
    '=HYPERLINK("http://evil.example";"Đồng Hới")', "cmd|' /C calc'!A0", "SUM(A1:A9)", "1+1", "1",
    "80,5", "80.5", "1.234,5", "0450", "2025-06-30", "30/6/2025", "12:30", "TRUE", "#REF!", "NaN",
    "Đồng Hới, Lệ Thủy", "Xã; Phường", "a\tb", "hai\ndòng", "ba\r\ndòng", "một\rdòng", 'ng"oặc',
    "http://evil.example", "mailto:a@b.vn", "<r><t>x</t></r>", "</t></is>", "]]>", "&amp;",
    "_x000D_",
    "\x01\x0b\x1f", "\x7f\x85", "\ufffe\uffff", "😀", "e\u0301ê\u0323", "x" * 300, "INF", "5e1234",
]  # fmt: skip
ENDS = ["", " ", "'", ";=1+1", ",=1+1", "\t=1+1", '"', "\n=1+1"]


def _texts() -> list[str]:
    dice = random.Random(450)
    found = {start + body + end for start in STARTS for body in BODIES for end in ENDS}
    chosen = dice.sample(sorted(found), 1_400)
    letters = "=+-@'\"\t\r\n;,|<>&_x0ĐđƯư 1.５％\u200b\x00\x1f"
    chosen += ["".join(dice.choices(letters, k=dice.randint(1, 9))) for _ in range(200)]
    return [*chosen, "<r><t>x</t></r>", "<r>=1+1</r>", "_x003C_r>", ""]


HOSTILE = _texts()
