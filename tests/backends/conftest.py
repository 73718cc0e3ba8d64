"""What holds of every backend is asserted in a module of its own."""

import pytest

pytest.register_assert_rewrite("tests.backends.claims")
