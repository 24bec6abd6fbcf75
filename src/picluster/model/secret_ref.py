"""Secrets by reference: the cluster file says where a secret is, never what it is."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import GetPydanticSchema, ValidationInfo
from pydantic_core import core_schema

from picluster.errors import ConfigInvalid
from picluster.model.paths import resolve as resolve_path
from picluster.model.refusal import refuse
from picluster.model.section import reading_of
from picluster.secret import Secret

_LARGEST_SECRET_FILE = 64 * 1024
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class SecretRef:
    """Where a secret comes from: an environment variable, a file, or the person at the keyboard.

    `target` is the variable's name or the file's path, and empty for a prompt.
    """

    source: Literal["env", "file", "prompt"]
    target: str = ""

    def __str__(self) -> str:
        return self.source if self.source == "prompt" else f"{self.source}:{self.target}"

    def resolve(
        self, *, label: str, ask: Callable[[str], str], environ: Mapping[str, str] | None = None
    ) -> Secret:
        """Fetch the secret.

        `label` says in words what the secret is for ("sudo password of pi3"): it is the question
        put to `ask`, and the name in the `ConfigInvalid` raised when there is nothing to fetch.
        """
        if self.source == "env":
            value = self._from_environment(label, os.environ if environ is None else environ)
        elif self.source == "file":
            value = self._from_file(label)
        else:
            value = ask(label)
        # What an editor or `echo` ends a file with is no part of it, however often.
        value = value.rstrip("\r\n")
        if not value:
            raise ConfigInvalid(f"the {label} is empty", where=str(self), fix="give it a value")
        if any(unicodedata.category(each) == "Cc" for each in value):
            raise ConfigInvalid(
                f"the {label} has a line break or another control character in it",
                where=str(self),
                fix="give it on one line",
            )
        # Python puts these in the place of bytes that are no UTF-8.
        if any(unicodedata.category(each) == "Cs" for each in value):
            raise ConfigInvalid(
                f"the {label} is not UTF-8 text",
                where=str(self),
                fix="give it in a shell whose locale is UTF-8",
            )
        return Secret(value)

    def _from_environment(self, label: str, environ: Mapping[str, str]) -> str:
        if self.target not in environ:
            raise ConfigInvalid(
                f"the environment variable {self.target} is not set",
                why=f"the {label} is read from it",
                fix=f"set it in this shell: export {self.target}=...",
            )
        return environ[self.target]

    def _from_file(self, label: str) -> str:
        path = Path(self.target)
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST_SECRET_FILE + 1)
            if len(content) > _LARGEST_SECRET_FILE:
                raise ValueError("it is larger than 64 KiB")
            text = content.decode()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            if isinstance(error, UnicodeDecodeError):
                reason = "it is not UTF-8 text"
            raise ConfigInvalid(
                f"cannot read the {label} from {path}",
                why=(reason or "unknown").lower(),
                fix="create that file, readable by you only, or correct the reference",
            ) from None
        return text


def parse(text: str, base: Path | None = None) -> SecretRef:
    """Read `env:NAME`, `file:PATH` or `prompt`; relative paths start from `base`.

    Raises a refusal, which never shows the text, for anything else.
    """
    source, _, target = text.partition(":")
    if text == "prompt":
        return SecretRef("prompt")
    if source == "env" and _ENV_NAME.fullmatch(target):
        return SecretRef("env", target)
    if source == "file" and target and target.isprintable():
        return SecretRef("file", str(resolve_path(Path(target), base)))
    raise refuse(
        "must say where the secret is; the secret itself does not belong in this file",
        "write env:NAME, file:PATH or prompt",
        unseen=True,
    )


def _read(value: object, info: ValidationInfo) -> SecretRef:
    if isinstance(value, SecretRef):
        return value
    return parse(value if isinstance(value, str) else "", reading_of(info).base)


def _schema(_source: object, _handler: object) -> core_schema.CoreSchema:
    as_text = core_schema.str_schema(pattern="^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|prompt)$")
    return core_schema.with_info_plain_validator_function(
        _read, json_schema_input_schema=as_text, serialization=core_schema.to_string_ser_schema()
    )


SecretReference = Annotated[SecretRef, GetPydanticSchema(_schema)]
"""A reference to a secret; what the fields that need one are declared as."""
