import re

import pytest

from yadokari_contract import references


@pytest.mark.parametrize("name", ["HOST", "DOMAIN", "PATH", "TAG", "DIGEST"])
def test_a_pattern_is_re2_and_captures_nothing(name: str) -> None:
    pattern = getattr(references, name)
    assert re.compile(pattern).groups == 0
    assert not re.search(r"\(\?(?!:)|\\[1-9]", pattern), "RE2 has neither look-around nor references back"
