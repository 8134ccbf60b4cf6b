"""Recipes: TOML files read into frozen dataclasses; unknown keys and contradictions are refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from facesr_cli.errors import UsageError
from facesr_train.data_section import CropStage, DataSection, RandomSplit
from facesr_train.discriminators import DISCRIMINATORS
from facesr_train.game_check import check_game
from facesr_train.generators import GENERATORS
from facesr_train.generators.outputs import output_names
from facesr_train.losses import LOSSES
from facesr_train.presets import with_preset
from facesr_train.sections import AdversarialSection, LossTerm, OptimiserSection, RunSection

_Section = TypeVar("_Section")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what a training run computes, apart from the photographs."""

    name: str
    summary: str
    """One line for `facesr-cli train --list`."""
    source: str
    """Paper or project that the method comes from."""
    generator_kind: str
    generator: Any
    """The configuration dataclass of the generator's kind."""
    data: DataSection
    losses: tuple[LossTerm, ...]
    optimiser: OptimiserSection
    run: RunSection
    discriminator_kind: str = ""
    """Empty where there is none."""
    discriminator: Any = None
    """The configuration dataclass of the discriminator's kind."""
    adversarial: AdversarialSection | None = None
    """Set if and only if there is a discriminator."""

    def __post_init__(self) -> None:
        if (self.adversarial is None) != (self.discriminator is None):
            raise ValueError("[discriminator] and [adversarial] belong together: give both or neither")
        if self.adversarial is not None:
            check_game(self.adversarial, self.discriminator, self.data)
        names = output_names(GENERATORS[self.generator_kind][1])
        judged = () if self.adversarial is None else self.adversarial.judges
        for name in (*(term.on for term in self.losses), *judged):
            if name not in names:
                raise ValueError(f"generator {self.generator_kind} has no output {name!r}, only {names}")
        moments = sorted(
            {0.0, 1.0, *(term.start for term in self.losses), *(term.end for term in self.losses)}
        )
        plays_from = 2.0 if self.adversarial is None else self.adversarial.start
        for moment in moments:
            if moment < plays_from and not any(term.active(moment) for term in self.losses):
                raise ValueError(f"no [[loss]] counts at {moment:.0%} of the run")
        for term in self.losses:
            if term.ratio:
                self._check_reference(term)

    def _check_reference(self, term: LossTerm) -> None:
        """A term whose weight is found from gradients needs its reference from its first step on."""
        starts = {other.kind: other.start for other in self.losses if not other.ratio}
        if self.adversarial is not None:
            starts["adversarial"] = self.adversarial.start
        if term.against not in starts:
            raise ValueError(
                f"loss {term.kind}: against is {term.against!r}; there are {', '.join(starts) or 'none'}"
            )
        if starts[term.against] > max(term.start, self.run.begin):
            raise ValueError(
                f"loss {term.kind}: sets in before {term.against}, which its weight is found from"
            )

    @property
    def digest(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of what the recipe says beside defaults.

        So a recipe keeps its digest when a later version brings options that it does not use.
        """
        values = self.to_dict()
        for title, section in (("generator", self.generator), ("data", self.data)):
            values[title] = _without_defaults(section, values[title])
        for title, section in (("optimiser", self.optimiser), ("run", self.run)):
            values[title] = _without_defaults(section, values[title])
        if self.adversarial is not None:
            values["discriminator"] = _without_defaults(self.discriminator, values["discriminator"])
            values["adversarial"] = _without_defaults(self.adversarial, values["adversarial"])
        for term, table in zip(self.losses, values["loss"], strict=True):
            table |= {"weight": term.weight, "start": term.start, "end": term.end}
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def to_dict(self) -> dict[str, Any]:
        """The resolved recipe as plain TOML-like data; `recipe_from_dict` reads it back."""
        return {
            "name": self.name,
            "summary": self.summary,
            "source": self.source,
            "generator": {"kind": self.generator_kind, **dataclasses.asdict(self.generator)},
            "data": dataclasses.asdict(self.data)
            | {
                "degradations": dict(self.data.degradations),
                "stages": [dataclasses.asdict(stage) for stage in self.data.stages],
            },
            "loss": [_loss_table(term) for term in self.losses],
            "optimiser": dataclasses.asdict(self.optimiser),
            "run": dataclasses.asdict(self.run),
            **self._game(),
        }

    def _game(self) -> dict[str, Any]:
        """The tables of the adversarial part, where there is one."""
        if self.adversarial is None:
            return {}
        adversarial = dataclasses.asdict(self.adversarial)
        return {
            "discriminator": {"kind": self.discriminator_kind, **dataclasses.asdict(self.discriminator)},
            "adversarial": adversarial | {"judges": list(self.adversarial.judges)},
        }


def load_recipe(name_or_path: str, preset: str = "") -> Recipe:
    """The shipped recipe of that name, or the one in that TOML file, changed by one of its presets if named.

    Raises:
        UsageError: There is no such recipe or preset, or it has unknown keys, wrong types or contradictions.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UsageError(f"{path}: no such recipe file")
        origin = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read as a recipe ({error})") from error
    else:
        shipped = _shipped()
        if name_or_path not in shipped:
            raise UsageError(
                f"no recipe {name_or_path!r}; there are {', '.join(sorted(shipped))}, or name a .toml file"
            )
        text, origin = shipped[name_or_path], f"recipe {name_or_path}"
    try:
        return recipe_from_dict(with_preset(tomllib.loads(text), preset))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{origin}: {error}") from error


def shipped_recipes() -> list[Recipe]:
    """All recipes that come with the package: those of the bundled networks first, then by name."""
    names = sorted(_shipped(), key=lambda name: (not name.startswith("face-x2"), name))
    return [load_recipe(name) for name in names]


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """Build a recipe from TOML data.

    Raises:
        ValueError: A key is unknown or missing, has the wrong type, or values contradict each other.
    """
    values = dict(values)
    tables = ("generator", "data", "optimiser", "run", "discriminator", "adversarial")
    sections = {key: values.pop(key, None) for key in (*tables, "loss")}
    for key in tables:
        if not isinstance(sections[key] or {}, Mapping):
            raise ValueError(f"{key} must be a table: [{key}]")
    losses = sections["loss"] if sections["loss"] is not None else []
    if not isinstance(losses, list) or not all(isinstance(term, Mapping) for term in losses):
        raise ValueError("loss must be a list of tables: [[loss]]")
    if unknown := set(values) - {"name", "summary", "source"}:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))}")
    if missing := {"name", "summary", "source"} - set(values):
        raise ValueError(f"missing key {', '.join(sorted(missing))}")
    kind, generator = _of_kind(GENERATORS, "generator", sections["generator"] or {})
    if sections["discriminator"] is None:
        judge_kind, judge = "", None
    else:
        judge_kind, judge = _of_kind(DISCRIMINATORS, "discriminator", sections["discriminator"])
    data = dict(sections["data"] or {})
    stages = data.pop("stages", [])
    if not isinstance(stages, list | tuple) or not all(isinstance(stage, Mapping) for stage in stages):
        raise ValueError("data.stages must be a list of tables: [[data.stages]]")
    data["stages"] = tuple(_section(CropStage, "data.stages", stage) for stage in stages)
    if data.get("split") is not None:
        if not isinstance(data["split"], Mapping):
            raise ValueError("data.split must be a table: [data.split]")
        data["split"] = _section(RandomSplit, "data.split", data["split"])
    if not losses and sections["adversarial"] is None:
        raise ValueError("at least one [[loss]] is needed, or an [adversarial] game")
    return Recipe(
        **values,
        generator_kind=kind,
        generator=generator,
        discriminator_kind=judge_kind,
        discriminator=judge,
        adversarial=_adversarial(sections["adversarial"]),
        data=_section(DataSection, "data", data),
        losses=tuple(_loss_term(term) for term in losses),
        optimiser=_section(OptimiserSection, "optimiser", sections["optimiser"] or {}),
        run=_section(RunSection, "run", sections["run"] or {}),
    )


def _of_kind(
    kinds: Mapping[str, tuple[type[Any], Any]], title: str, values: Mapping[str, Any]
) -> tuple[str, Any]:
    """(kind, configuration) of a table that names its kind beside the kind's own entries."""
    rest = dict(values)
    kind = rest.pop("kind", None)
    if kind not in kinds:
        raise ValueError(f"{title}.kind is {kind!r}; there are {', '.join(kinds)}")
    return kind, _section(kinds[kind][0], title, rest)


def _adversarial(values: Mapping[str, Any] | None) -> AdversarialSection | None:
    if values is None:
        return None
    judges = values.get("judges", ["image"])
    if not isinstance(judges, list | tuple):
        raise ValueError("adversarial.judges must be a list of names")
    return _section(AdversarialSection, "adversarial", {**values, "judges": tuple(judges)})


def _loss_term(values: Mapping[str, Any]) -> LossTerm:
    """A term from its table, in which the entries of the kind's configuration stand beside the others."""
    common = {field.name for field in dataclasses.fields(LossTerm)} - {"config"}
    own = {key: value for key, value in values.items() if key not in common}
    kind = values.get("kind")
    if kind not in LOSSES:
        raise ValueError(f"loss.kind is {kind!r}; there are {', '.join(LOSSES)}")
    table = {key: value for key, value in values.items() if key in common}
    return _section(LossTerm, "loss", {**table, "config": _section(LOSSES[kind][0], f"loss {kind}", own)})


def _loss_table(term: LossTerm) -> dict[str, Any]:
    """`_loss_term` backwards; the entries that are their defaults are left out."""
    values = {field.name: getattr(term, field.name) for field in dataclasses.fields(term)}
    del values["config"]
    return _without_defaults(term, values) | _without_defaults(term.config, dataclasses.asdict(term.config))


def _section(kind: type[_Section], title: str, values: Mapping[str, Any]) -> _Section:
    """Check names and number types of a TOML table, then build its dataclass."""
    assert dataclasses.is_dataclass(kind)
    known = {f.name: f.type for f in dataclasses.fields(kind)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"unknown key {title}.{key}; there are {', '.join(known)}")
        expected = known[key]
        if expected == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        plain = {"int": int, "float": float, "str": str, "bool": bool}.get(str(expected))
        if plain is not None and (
            not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool)
        ):
            raise ValueError(f"{title}.{key} must be {expected}, not {value!r}")
        checked[key] = value
    built: Any = kind(**checked)
    return built  # type: ignore[no-any-return]


def _without_defaults(section: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `values`, a section's dictionary, that are not what the section has by itself."""
    kept = dict(values)
    for item in dataclasses.fields(section):
        if item.default is not dataclasses.MISSING and getattr(section, item.name) == item.default:
            kept.pop(item.name, None)
    return kept


def _shipped() -> dict[str, str]:
    """Recipe name -> TOML text."""
    folder = resources.files("facesr_train") / "recipes"
    return {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
