"""Pages of HTML from templates: self-contained, everything that is not ours escaped."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def rendered(template: str, **context: Any) -> str:
    """A template of this package's folder ``templates``, filled in."""
    environment = Environment(
        loader=PackageLoader("InvertibleFusionLib.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unit"] = as_printed
    return environment.get_template(template).render(**context)


def as_printed(units: str) -> str:
    """Units as a reader expects to see them: "1e-6 mm2/s" → "10⁻⁶ mm²/s"."""
    return units.replace("1e-6", "10⁻⁶").replace("mm2", "mm²")
