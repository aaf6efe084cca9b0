"""The card of one run: where it read, and each rejected row once."""

from layouts import runcard


def test_a_rejected_row_is_listed_once_with_all_that_was_said_against_it():
    said = [("a.csv#3", "thiếu mã"), ("a.csv#3", "thiếu mã"), ("a.csv#3", "sai ngày"),
            ("", "không đọc được"), ("a.csv#9", "thiếu mã")]  # fmt: skip
    rows = [{"position": position, "reason": reason} for position, reason in said]
    assert runcard.once(rows) == [
        ("a.csv#3", ["thiếu mã", "sai ngày"]),
        ("a.csv#9", ["thiếu mã"]),
        ("", ["không đọc được"]),
    ]


def test_a_run_says_what_it_read_in_words():
    assert runcard.place({"source": "inspections", "address": "a.csv"}) == "a.csv"
