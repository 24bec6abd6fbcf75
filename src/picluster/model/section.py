"""What every part of the cluster file has in common: no unknown keys, no later changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Reading:
    """The circumstances of one validation, handed to pydantic as its context.

    `base` is the directory that relative paths start from. A `lenient` reading puts `None` where a
    value is bad and goes on: it never yields a usable model, only enough of one for the rules
    about the whole cluster to be tried on the parts that are sound.
    """

    base: Path | None = None
    lenient: bool = False


def reading_of(info: ValidationInfo) -> Reading:
    """Return the circumstances of the validation that `info` belongs to."""
    return info.context if isinstance(info.context, Reading) else Reading()


class Section(BaseModel):
    """A mapping in the cluster file; its fields are the keys it may have.

    The text below a field is what users are told of it (`explain.described`).
    """

    # pydantic would print a password that was put in the wrong place
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True
    )

    inherits: ClassVar[str | None] = None
    """The cluster-wide section that a field left out here is taken from."""

    @model_validator(mode="before")
    @classmethod
    def _forgive_what_is_empty(cls, data: object, info: ValidationInfo) -> object:
        """Read `labels:` with nothing under it as if the line were not there."""
        lenient = reading_of(info).lenient
        if not isinstance(data, Mapping):
            return dict.fromkeys(_required(cls)) if lenient else data
        fields = cls.model_fields
        kept = {
            key: value
            for key, value in data.items()
            if value is not None or key not in fields or not _may_be_empty(fields[key])
        }
        if lenient:
            known = {key: value for key, value in kept.items() if key in fields}
            return dict.fromkeys(_required(cls)) | known
        return kept

    @field_validator("*", mode="wrap")
    @classmethod
    def _survive_when_lenient(
        cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if not reading_of(info).lenient:
            return handler(value)
        try:
            return handler(value)
        except ValidationError:
            return None


def _required(section: type[Section]) -> list[str]:
    return [name for name, field in section.model_fields.items() if field.is_required()]


def _may_be_empty(field: FieldInfo) -> bool:
    """Whether nothing at all is a fair way to write this field: a section, a list, a mapping."""
    kind = get_origin(field.annotation) or field.annotation
    holds_others = isinstance(kind, type) and issubclass(kind, (Section, tuple, Mapping))
    return holds_others and not field.is_required()
