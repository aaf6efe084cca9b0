"""Tests: names are sentences of the specification."""

import pytest

pytest.register_assert_rewrite("tests.worlds")
