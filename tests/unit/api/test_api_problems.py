"""Problems: each has an entry, an explanation, and a place in the documentation."""

import re
from pathlib import Path

from api.intake.exact import DEPTH_SENTENCE
from api.problems import catalogue
from api.problems.catalogue import CATALOGUE, RULE, ProblemType, of_rule
from api.problems.explained import errors_page
from api.problems.fields import EXPLANATIONS, FieldCode, FieldError
from api.problems.problem import invalid, refused
from ledger.outcomes import Code, Refused

ROOT = Path(__file__).parents[3]


def test_the_page_of_errors_is_the_catalogue() -> None:
    found = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert found == errors_page(), "run: python -m api.problems > docs/errors.md"


def test_every_rule_of_the_books_has_its_own_entry() -> None:
    assert [code for code in Code if of_rule(code) is RULE] == []
    assert {of_rule(code).status for code in Code} == {409, 422}
    assert [code for code in Code if of_rule(code).status == 409] == [Code.KEY_REUSED]


def test_every_problem_that_is_defined_is_in_the_catalogue() -> None:
    defined = {one.code for one in vars(catalogue).values() if isinstance(one, ProblemType)}
    assert defined - {RULE.code} <= set(CATALOGUE)


def test_codes_are_plain_words_and_texts_are_sentences() -> None:
    for problem in CATALOGUE.values():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", problem.code)
        assert not problem.title.endswith(".")
        assert problem.explanation.endswith((".", "…"))


def test_every_code_of_a_field_is_explained() -> None:
    assert list(EXPLANATIONS) == list(FieldCode)


def test_a_refusal_names_its_field_where_it_has_one() -> None:
    with_field = refused(Refused(Code.INSUFFICIENT_POINTS, "3 available, 4 needed", "amount"))
    assert with_field.detail == "amount 3 available, 4 needed"
    assert with_field.document("r").errors == (
        FieldError("amount", "insufficient_points", "3 available, 4 needed"),
    )
    without = refused(Refused(Code.BATCH_NOT_BOOKED, "another was refused"))
    assert (without.detail, without.errors) == ("another was refused", ())


def test_several_mistakes_are_told_in_one_sentence() -> None:
    errors = [FieldError("", "wrong_type", "must be an object, not null")] * 3
    assert invalid(errors).detail == "the body must be an object, not null (and 2 more)"
    assert DEPTH_SENTENCE == "is nested too deeply"
