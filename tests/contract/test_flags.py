from collections import Counter
from dataclasses import fields

from yadokari_contract.flags import FLAGS
from yadokari_contract.spec import COMPRESSION_LEVELS, DEFAULT_LEVEL, BuildSpec
from yadokari_contract.variables import VARIABLES


def test_every_field_has_one_flag_or_variable_but_that_of_the_flags_without_one() -> None:
    filled = [flag.field for flag in FLAGS if flag.field]
    filled += [variable.field for variable in VARIABLES if variable.field]
    assert sorted([*filled, "accepted"]) == sorted(field.name for field in fields(BuildSpec))


def test_no_name_stands_for_two_flags() -> None:
    names = [name for flag in FLAGS for name in (flag.name, flag.short, flag.alias) if name]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_every_default_that_is_chosen_from_a_few_is_one_of_them() -> None:
    chosen = {flag.field: flag.choices for flag in FLAGS if flag.choices and flag.field}
    defaults = {field: getattr(BuildSpec(), field) for field in chosen}
    texts = {field: text for field, text in defaults.items() if isinstance(text, str) and text}
    assert texts
    assert all(text in chosen[field] for field, text in texts.items())


def test_the_default_level_is_none_of_the_levels() -> None:
    assert all(DEFAULT_LEVEL not in levels for levels in COMPRESSION_LEVELS.values())
