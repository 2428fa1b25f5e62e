"""The options of an entry, checked against the signature of the code that receives them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from bddseg.errors import BddsegError
from bddseg.progress import pluralize

T = TypeVar("T")

# No layer has so many channels, blocks or pixels.
_LARGEST = 2**31


class OptionError(BddsegError):
    """An option that cannot be used; the message begins with its key.

    Args:
        key: Key within the table that holds the option; empty for the table itself.
        problem: What is wrong with it.
        hint: The next step.
    """

    def __init__(self, key: str, problem: str, hint: str) -> None:
        super().__init__(f"{key} {problem}", hint)
        # Exceptions are copied and pickled from these.
        self.args = (key, problem, hint)
        self.key = key
        self.problem = problem

    def within(self, table: str) -> "OptionError":
        """Return this error with the key that the option has in the table's parent."""
        return OptionError(f"{table}.{self.key}".rstrip("."), self.problem, self.hint)


def call_with_options(function: Callable[..., T], options: Mapping[str, Any], table: str) -> T:
    """Return `function(**options)`; arguments that a `functools.partial` binds are not options.

    Args:
        function: A class or a function; the annotations of its parameters are checked.
        options: The table's content.
        table: Key of the table, such as "head".

    Raises:
        OptionError: A key does not exist, is missing, or has a value of another type or one that
            the function cannot use.
    """
    try:
        _check_options(function, options)
        return function(**options)
    except OptionError as error:
        raise error.within(table) from error.__cause__
    # What torch raises for numbers that no layer can have.
    except (ValueError, RuntimeError) as error:
        cause = str(error).partition("\n")[0]
        raise OptionError(
            table, f"cannot be used ({type(error).__name__}: {cause}).", "Correct its values."
        ) from error


def check_takes_keywords(candidate: Any) -> None:
    """Raise TypeError for an object that cannot be called with keywords alone."""
    if not callable(candidate):
        raise TypeError(f"expected a function, got {type(candidate).__name__}")
    signature = inspect.signature(candidate)
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"its function takes {name} by position only: {signature}")


def check_length(name: str, values: Sequence[int], length: int) -> None:
    """Raise an OptionError for a list that does not have one number for each stage."""
    if len(values) != length:
        raise OptionError(
            name,
            f"has {pluralize(len(values), 'number')}: {list(values)}.",
            f"Give {length} numbers, one for each stage.",
        )


def _check_options(function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    parameters = _list_parameters(function)
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    known = [name for name, each in parameters.items() if each.kind is not each.VAR_KEYWORD]
    hint = f"Known keys: {', '.join(known)}." if known else "It has no keys."
    for name in options:
        if name not in known and not takes_any:
            raise OptionError(name, "is not a known key.", hint)
    for name in known:
        if name in options:
            _check_type(name, options[name], parameters[name].annotation)
        elif parameters[name].default is inspect.Parameter.empty:
            raise OptionError(name, "is missing.", hint)


def _list_parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError:
        # A plugin's annotation that is imported for type checkers alone.
        signature = inspect.signature(function)
    bound = function.keywords if isinstance(function, partial) else {}
    return {name: each for name, each in signature.parameters.items() if name not in bound}


def _check_type(name: str, value: Any, annotation: Any) -> None:
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise OptionError(name, f"is {value}, which is too large.", "Correct that value.")
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        problem = str(error).replace(" - at `$", " at `value")
        raise OptionError(
            name, f"is {value!r}: {problem[0].lower()}{problem[1:]}.", "Correct that value."
        ) from error
    except TypeError:
        # msgspec does not know the type: the function has to check it.
        return
