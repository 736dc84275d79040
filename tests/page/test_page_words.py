"""The page's modules repeat some words and rules of the Python side; both stay the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import gallery
from gallery import models, names
from gallery.api import schemas
from gallery.client.folder import LITTER
from gallery.errors import FailureReason, RejectionReason
from gallery.models import FINAL_STATES, OUTCOMES

PAGE = Path(gallery.__file__).parent / "page"
OURS = [file for file in sorted(PAGE.rglob("*")) if file.is_file() and "vendor" not in file.parts]
TYPES = (PAGE.parent / "api" / "schemas.ts").read_text(encoding="utf-8")


def words(module: str) -> str:
    return (PAGE / module).read_text(encoding="utf-8")


def test_every_reason_has_a_sentence() -> None:
    explained = set(re.findall(r"^  (\w+): \[", words("reasons.js"), re.MULTILINE))
    assert explained == {*get_args(RejectionReason), *get_args(FailureReason)}


def test_every_outcome_has_words() -> None:
    assert tuple(re.findall(r'^  \["(\w+)",', words("reasons.js"), re.MULTILINE)) == OUTCOMES


def test_the_final_states_are_the_same() -> None:
    listed = re.search(r"FINAL = new Set\(\[(.*)\]\)", words("follow.js"))
    assert listed is not None
    assert set(re.findall(r'"(\w+)"', listed[1])) == FINAL_STATES


def test_the_rules_of_names_are_the_same() -> None:
    module = words("names.js")
    assert f"MAX_BYTES = {names.MAX_FILE_NAME_BYTES};" in module
    assert f"/^{names.GALLERY_ID.pattern}$/" in module
    listed = re.search(r"LITTER = new Set\(\[(.*?)\]\)", module, re.DOTALL)
    assert listed is not None
    assert {text.replace("\\r", "\r") for text in re.findall(r'"(.+?)"', listed[1])} == LITTER


@pytest.mark.parametrize(
    ("name", "fields"), re.findall(r"^export interface (\w+) \{\n(.*?)^\}", TYPES, re.MULTILINE | re.DOTALL)
)
def test_the_bodies_have_the_same_fields_and_nulls(name: str, fields: str) -> None:
    typed = dict(re.findall(r"^  (\w+)\??: (.*);$", fields, re.MULTILINE))
    properties = getattr(schemas, name).model_json_schema()["properties"]
    assert list(typed) == list(properties)
    # A placeholder is anything to the API.
    nullable = {field for field, schema in properties.items() if {"type": "null"} in schema.get("anyOf", [])}
    assert {field for field in typed if typed[field].endswith("| null")} - {"placeholder"} == nullable


@pytest.mark.parametrize("name", ["UploadState", "Outcome", "Choice"])
def test_the_types_of_words_are_the_same(name: str) -> None:
    listed = re.search(rf"^export type {name} =(.*?);", TYPES, re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r'"(\w+)"', listed[1])) == get_args(getattr(models, name))


def test_no_module_of_the_page_escapes_the_check_of_types() -> None:
    assert {file.suffix for file in OURS} == {".js", ".html", ".css", ".svg"}
    escapes = re.compile(r"@ts-(nocheck|ignore|expect-error)")
    assert [file.name for file in OURS if escapes.search(file.read_text(encoding="utf-8"))] == []


def test_nothing_is_loaded_from_elsewhere_or_written_as_markup() -> None:
    for file in OURS:
        if file.suffix in {".js", ".css", ".html"}:
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"https?://", text), file.name
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file.name
            assert not re.search(r'\s(style|on[a-z]+)="', text), file.name
