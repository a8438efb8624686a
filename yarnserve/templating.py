"""Templates of JSON documents: where they are looked up, how they are rendered. jinja2 is used here only."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jinja2

from yarnserve.errors import TemplateError

#: What evaluating a template raises besides jinja2's own errors: ``{{ 1 / 0 }}`` is the template's mistake too.
_EVALUATION_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, OSError)


def builtin_templates() -> Path:
    """Return the directory of the templates that come with yarnserve.

    In an installed package it lies inside; in a checkout and in editable installs beside (codebase-style.md 6.4).

    Raises:
        TemplateError: the installation has none.
    """
    package = Path(__file__).resolve().parent
    for directory in (package / "templates", package.parent / "templates"):
        if directory.is_dir():
            return directory
    raise TemplateError("the built-in templates are missing", where=str(package), fix="install yarnserve again")


def render_json(name: str, context: Mapping[str, Any], *, template_dirs: Sequence[Path] = ()) -> Any:
    """Render the template *name* with *context* and parse the result.

    A template is looked up in *template_dirs* first, in their order, then among the built-in ones. It has the
    filter ``json``, which writes any value as JSON, quotes included; an unknown variable is an error.

    Raises:
        TemplateError: the template is not there, is broken, fails, or gives something that is not JSON; the
            message names the template and the line.
    """
    environment = _environment(template_dirs)
    try:
        template = environment.get_template(name)
        text = template.render(context)
    except jinja2.TemplateNotFound as error:
        _not_found(error, template_dirs)
    except jinja2.TemplateSyntaxError as error:
        _broken(error, f"{error.filename or error.name}:{error.lineno}")
    except (jinja2.TemplateError, *_EVALUATION_ERRORS) as error:
        _broken(error, _place(error, name))
    return _parsed(text, template.filename or name)


def _environment(template_dirs: Sequence[Path]) -> jinja2.Environment:
    directories = [*template_dirs, builtin_templates()]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directories),
        undefined=jinja2.StrictUndefined,
        # Escaping is HTML's; JSON values are written by the filter.
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = _json
    return environment


def _json(value: Any, **options: Any) -> str:
    if isinstance(value, jinja2.Undefined):
        # Says which variable it is that nobody set.
        str(value)
    return json.dumps(value, **options)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        lines = text.splitlines()
        written = lines[error.lineno - 1].strip() if error.lineno <= len(lines) else ""
        place = f"line {error.lineno} of the result, {written!r}"
        raise TemplateError("a template does not give valid JSON", where=where, why=f"{error.msg}: {place}") from error
    except (ValueError, RecursionError) as error:
        raise TemplateError("a template does not give valid JSON", where=where, why=str(error)) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _not_found(error: jinja2.TemplateNotFound, template_dirs: Sequence[Path]) -> NoReturn:
    looked = ", ".join(str(directory) for directory in [*template_dirs, builtin_templates()])
    raise TemplateError(f"no template {error.name}", where=looked, why="it is in none of these directories") from error


def _broken(error: Exception, where: str) -> NoReturn:
    raise TemplateError("a template cannot be rendered", where=where, why=str(error) or type(error).__name__) from error


def _place(error: Exception, name: str) -> str:
    """Return file and line of the innermost template that *error* came through; jinja2 puts them into the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    within = [frame for frame in frames if frame.filename.endswith(".j2")]
    return f"{within[-1].filename}:{within[-1].lineno}" if within else name
