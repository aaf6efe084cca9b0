"""Tells a Vietnamese text from one that has an English or a machine's word in it.

A word with a Vietnamese letter is Vietnamese. A plain-ASCII word is, too, when it is one
well-formed syllable (onset, vowels, coda); of those that English has as well, the ones that a
program says by accident are listed. What is left must be a name on the short list.
"""

import re

SYLLABLE = re.compile(
    r"(ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdghklmnpqrstvx])?"
    r"(uye|uya|uyu|oai|oay|oeo|uay|uoi|uou|ieu|yeu|[aeiou]{1,2}|[aeiou]?y[aeiou]?)"
    r"(ch|ng|nh|[cmnptiuo])?",
    re.IGNORECASE,
)
ENGLISH = frozenset(
    "nan none null true false inf nat the and for not you was are has new now day week month"
    " year date time from with none load data sum count mean on_track off at_risk missed"
    " status source target unit area rank run runs user page next last first more less show hide"
    " open close closed click pan reset cancel submit send save main menu chart line"
    " value total name title text note hint unknown late stale fresh final region share".split()
)
NAMES = frozenset(
    # files, protocols, companies, the number of a share, as Vietnamese officials call them; and
    # what a forecast is computed by
    "viettel mobifone csv json rest xlsx excel internet byte png utc n logit statsmodels".split()
)
ABBREVIATION = re.compile(r"[A-Z][a-z]?[A-Z][A-Za-z]*")
"""UBND, CBCCVC, SNgV, TTr: org units."""
NO_WORD = re.compile(
    r"\bioc pack \S+ --now\b|N/A|\bphím [A-Z]\b|(?<!\S)/[a-z?]\S*|\S*\d\S*|https?://\S+|\S+\.(?:csv|xlsx|json)\b"
)
"""A command as it is typed, keys, addresses, numbers and files."""
WORD = re.compile(r"[^\W\d_]+(?:_[^\W\d_]+)*")


def foreign(text: str) -> list[str]:
    """The words of a text that are not Vietnamese; codes with digits (T02b, I12a) are names."""
    found = []
    cleaned = re.sub(NO_WORD, " ", text)
    for word in WORD.findall(cleaned):
        low = word.casefold()
        if not word.isascii() or low in NAMES:
            continue
        if ABBREVIATION.fullmatch(word) and low not in ENGLISH:
            continue
        if low in ENGLISH or not SYLLABLE.fullmatch(word):
            found.append(word)
    return found
