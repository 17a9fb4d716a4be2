"""The list of mutants fits the sources as they are: each piece of text occurs once, each named test exists."""

from __future__ import annotations

from collections import Counter

from tests.mutants import mistakes
from tests.mutations import MUTANTS


def test_each_mutant_fits_the_sources_and_names_its_tests():
    assert mistakes() == []
    assert len(MUTANTS) >= 30
    assert all(mutant.tests and mutant.text != mutant.becomes for mutant in MUTANTS)


def test_each_mutant_has_a_name_of_its_own():
    assert [name for name, times in Counter(mutant.name for mutant in MUTANTS).items() if times > 1] == []
