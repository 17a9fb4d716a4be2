"""The rules of the house that a program can check; the rest is in CONTRIBUTING.md."""

import ast
import inspect
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path

import pytest
import sqlalchemy as sa

SOURCE = Path(__file__).parents[1] / "src" / "farthing"

LONGEST_FUNCTION = 70
LONGEST_MODULE = 500
VAGUE_NAMES = {"service", "manager", "handler", "helper", "utils", "common", "base", "misc"}
VAGUE_NAMES |= {f"{name}s" for name in VAGUE_NAMES}

# The one place that ends a transaction, and the one that knows which database it talks to.
COMMITS = "store/database.py"
KNOWS_DATABASES = "store/dialects/"
# These hold database URLs that people read or leave out: defaults, help texts.
NAMES_URLS = {"cli/demo.py", "settings.py"}
NAMES_A_DATABASE = re.compile(r"sqlite|postgres", re.IGNORECASE)
# Such a string is compared or connected with; a sentence that explains something is neither.
IS_A_DATABASE = re.compile(r"(sqlite|postgres(ql)?)([+:].*)?", re.IGNORECASE)

# Decisions 17 and 18: everything else belongs to an account and says so first.
GLOBAL_TABLES = {
    "farthing_api_keys",
    "farthing_catalog_versions",
    "farthing_endpoints",
    "farthing_jobs",
    "farthing_meta",
    "farthing_promo_codes",
    "farthing_provider_events",
    "farthing_event_references",
    "farthing_provider_references",
}

CORE_MAY_IMPORT = ("farthing.amounts.", "farthing.errors.", "farthing.core.")
IMPURE = {
    "asyncio",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
    "uuid",
}
CLOCKS = {"now", "today", "utcnow"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> dict[str, ast.Module]:
    """Every module of the package, by its path within it."""
    return {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    }


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def docstring(node: ast.AST) -> ast.Constant | None:
    match node:
        case (
            ast.Module(body=[ast.Expr(value=ast.Constant(value=str()) as text), *_])
            | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str()) as text), *_])
            | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str()) as text), *_])
            | ast.AsyncFunctionDef(body=[ast.Expr(value=ast.Constant(value=str()) as text), *_])
        ):
            return text
    return None


def lines(node: ast.stmt | ast.expr) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def length(function: Function) -> int:
    """The lines of a function without its docstring."""
    text = docstring(function)
    return lines(function) - (lines(text) if text else 0)


def identifiers(node: ast.AST) -> Iterator[str]:
    """The names that one node writes."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.keyword(arg=str(name)) | ast.ImportFrom(module=str(name)):
            yield name


def imports(tree: ast.Module, path: str) -> Iterator[str]:
    """The full names of the modules that one module imports."""
    package = ["farthing", *path.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inside = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*inside, *filter(None, [node.module])])
            if origin == "farthing":
                yield from (f"farthing.{alias.name}" for alias in node.names)
            else:
                yield origin


def module_length(path: str, tree: ast.Module) -> int:
    """Lines, without the docstring at the top: the whole tree of errors stands in one."""
    first = tree.body[0] if ast.get_docstring(tree) else None
    described = (first.end_lineno or 0) - first.lineno + 1 if first else 0
    return len((SOURCE / path).read_text(encoding="utf-8").splitlines()) - described


def test_functions_fit_a_screen_and_modules_a_sitting(record_property: Callable[[str, object], None]):
    by_function = {
        f"{path}:{node.lineno} {node.name}": length(node)
        for path, tree in modules().items()
        for node in functions(tree)
    }
    by_module = {path: module_length(path, tree) for path, tree in modules().items()}
    for name, sizes in (("functions", by_function), ("modules", by_module)):
        record_property("figure", f"{name}: {spread(list(sizes.values()))}")
    assert {name: size for name, size in by_function.items() if size > LONGEST_FUNCTION} == {}
    assert {name: size for name, size in by_module.items() if size > LONGEST_MODULE} == {}


def spread(sizes: list[int]) -> str:
    middle, high = statistics.median(sizes), sorted(sizes)[int(len(sizes) * 0.95)]
    return f"{len(sizes)} with a median of {middle:g} lines, 95 % up to {high}, the longest {max(sizes)}"


def test_modules_are_named_for_what_they_hold():
    assert {path for path in modules() if VAGUE_NAMES & set(path.removesuffix(".py").split("/"))} == set()


def test_one_file_commits():
    committing = {
        path
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and "commit" in identifiers(node.func)
    }
    assert committing <= {COMMITS}


def test_one_file_knows_the_databases():
    mentions = [
        f"{path}:{getattr(node, 'lineno', 0)} {mention}"
        for path, tree in modules().items()
        if not path.startswith(KNOWS_DATABASES)
        for node in ast.walk(tree)
        for mention in database_mentions(node, with_urls=path not in NAMES_URLS)
    ]
    assert mentions == []


def database_mentions(node: ast.AST, *, with_urls: bool) -> Iterator[str]:
    yield from filter(NAMES_A_DATABASE.search, identifiers(node))
    if (
        with_urls
        and isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and IS_A_DATABASE.fullmatch(node.value)
    ):
        yield node.value


def test_core_is_pure():
    core = {path: tree for path, tree in modules().items() if path.startswith("core/")}
    assert [f"{path}: {reason}" for path, tree in core.items() for reason in impurities(tree, path)] == []


def impurities(tree: ast.Module, path: str) -> Iterator[str]:
    for name in imports(tree, path):
        stdlib = name.split(".")[0] in sys.stdlib_module_names - IMPURE
        if not stdlib and not f"{name}.".startswith(CORE_MAY_IMPORT):
            yield f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            yield f"{node.name} awaits"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            yield f"line {node.lineno} reads a clock"


def test_public_names_are_documented():
    package = import_module("farthing")
    public = {name: getattr(package, name) for name in package.__all__}
    assert sorted(package.__all__) == sorted(set(package.__all__))
    assert [name for name, value in public.items() if not documented(value)] == []


def test_importing_farthing_pulls_nothing_and_opening_it_sqlalchemy_and_nothing_heavier():
    assert third_party(loaded("import farthing")) == {"farthing"}
    assert loaded("import farthing") & {"asyncio", "logging", "sqlite3", "threading", "tomllib", "zoneinfo"} == set()
    opening, everything = loaded("from farthing import open, Credits"), loaded("from farthing import *")
    for named in (opening, everything):
        assert third_party(named - loaded("import sqlalchemy")) == {"farthing", "uuid_utils"}
    later = {"farthing.awaiting", "farthing.ledger.explaining", "farthing.ledger.verifying", "tomllib"}
    assert opening & later == set()


@pytest.mark.parametrize(
    ("adapter", "framework"), [("asgi", None), ("fastapi", "fastapi"), ("flask", "flask"), ("django", "django")]
)
def test_an_integration_pulls_its_own_framework_and_no_other(adapter: str, framework: str | None):
    pulled = third_party(loaded(f"import farthing.integrations.{adapter}"))
    assert pulled & {"fastapi", "flask", "django"} == ({framework} if framework else set())


def loaded(statement: str) -> set[str]:
    """The modules that a statement loads in a Python that has just started."""
    program = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return set(done.stdout.split())


def third_party(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names


def test_what_is_public_is_what_type_checkers_see_and_what_can_be_named():
    package = import_module("farthing")
    [checked] = [node for node in modules()["__init__.py"].body if isinstance(node, ast.If)]
    seen = {
        f"{node.module}.{alias.name}": alias.asname or alias.name
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for origin, name in seen.items():
        room, _, inside = origin.rpartition(".")
        assert getattr(package, name) is getattr(import_module(room), inside)
    assert set(package.__all__) - set(seen.values()) == {
        "FarthingError", "InsufficientCredits", "Money", "Refused", "TransactionLost",
    }  # fmt: skip
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError):
        _ = package.nothing_of_the_kind


def documented(value: object) -> bool:
    """Whether a class or function has words of its own: a dataclass without any is given "Name(…)" by Python."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return True
    text = value.__doc__ or ""
    return bool(text) and not text.startswith(f"{value.__name__}(")


def test_errors_have_a_code_of_their_own_and_say_what_they_mean():
    errors = import_module("farthing.errors")
    classes = [
        value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__
    ]
    own_codes = [vars(kind).get("code") for kind in classes]
    assert [kind.__name__ for kind, code in zip(classes, own_codes, strict=True) if not code] == []
    assert [code for code, times in Counter(own_codes).items() if times > 1] == []
    assert [kind.__name__ for kind in classes if not kind.__doc__] == []


def account_tables() -> list[sa.Table]:
    metadata: sa.MetaData = import_module("farthing.store.tables").metadata
    return [table for table in metadata.tables.values() if table.name not in GLOBAL_TABLES]


def test_every_table_of_account_data_can_be_distributed_by_account():
    assert list(chain.from_iterable(map(keys_without_account, account_tables()))) == []


def keys_without_account(table: sa.Table) -> Iterator[str]:
    """The keys of a table that do not start with the account, which a distributed database would refuse."""
    unique = [constraint for constraint in table.constraints if isinstance(constraint, sa.UniqueConstraint)]
    for key in (table.primary_key, *unique, *(index for index in table.indexes if index.unique)):
        if [column.name for column in key.columns][:1] != ["account"]:
            yield f"{table.name}: {key.name or 'primary key'}"
    for key in table.foreign_key_constraints:
        pairs = [(element.parent.name, element.column.name) for element in key.elements]
        if pairs[0] != ("account", "account"):
            yield f"{table.name}: {key.name or 'foreign key'}"


@pytest.mark.parametrize(
    ("columns", "broken"),
    [
        ([sa.Column("account", sa.Text, primary_key=True), sa.Column("id", sa.Text, primary_key=True)], []),
        ([sa.Column("id", sa.Text, primary_key=True), sa.Column("account", sa.Text)], ["t: primary key"]),
        (
            [
                sa.Column("account", sa.Text, primary_key=True),
                sa.Column("id", sa.Text),
                sa.UniqueConstraint("id", name="u"),
            ],
            ["t: u"],
        ),
        (
            [
                sa.Column("account", sa.Text, primary_key=True),
                sa.Column("id", sa.Text),
                sa.Index("i", "id", unique=True),
            ],
            ["t: i"],
        ),
        (
            [sa.Column("account", sa.Text, primary_key=True), sa.Column("plan", sa.Text, sa.ForeignKey("t.account"))],
            ["t: foreign key"],
        ),
    ],
    ids=["good", "primary key", "unique constraint", "unique index", "foreign key"],
)
def test_the_schema_lint_sees_each_kind_of_key(columns: list[sa.schema.SchemaItem], broken: list[str]):
    assert list(keys_without_account(sa.Table("t", sa.MetaData(), *columns))) == broken
