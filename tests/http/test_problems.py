"""Every error has a status and every problem one shape."""

import inspect

import pytest

from farthing import Credits, errors
from farthing.errors import FarthingError
from farthing.http.problems import HTTP_ONLY
from farthing.statuses import STATUS, status_of, title_of
from tests.http.conftest import Api

KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, FarthingError) and kind.__module__ == errors.__name__
]


@pytest.mark.row("D1")
def test_no_error_is_without_a_status_of_its_own():
    assert {kind.__name__ for kind in KINDS} - {kind.__name__ for kind in STATUS} == set()
    assert set(STATUS) == set(KINDS)


def test_a_code_has_one_status_whoever_says_it():
    shared = [kind for kind in KINDS if kind.code in HTTP_ONLY]
    assert {kind.code for kind in shared} <= {"not_found", "body_too_large"}
    assert [(kind.code, status_of(kind)) for kind in shared if status_of(kind) != HTTP_ONLY[kind.code][0]] == []


@pytest.mark.row("D1")
@pytest.mark.parametrize("kind", KINDS)
def test_each_error_is_told_as_a_problem_and_those_of_the_house_without_their_insides(
    shop: Credits, monkeypatch: pytest.MonkeyPatch, kind: type[FarthingError]
):
    def refused(*_: object) -> None:
        raise kind("postgresql://db.internal is what it says.", shortfall=5, status=200)

    monkeypatch.setattr("farthing.ledger.reading.books", refused)
    answer = Api(shop).get("/v1/accounts/ada/balances")
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status_of(kind), status_of(kind))
    assert (problem["code"], problem["title"]) == (kind.code, title_of(kind))
    told = answer.status_code < 500
    assert ("db.internal" in answer.text, problem.get("shortfall")) == (told, 5 if told else None)
    assert ("retry-after" in answer.headers) is (answer.status_code == 503)


@pytest.mark.row("D1")
def test_unknown_paths_and_methods_are_problems_too(api: Api):
    missing, wrong = api.get("/v1/nothing"), api.delete("/v1/accounts/ada/grants")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "POST")
    assert api.delete("/v1/accounts/ada").headers["allow"] == "GET, PUT"
