"""Decides what is sent, and under which names, where names belong to other photographs of the gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count

from gallery.client.api import GalleryClient
from gallery.client.comparing import ComparedPhotograph, FolderComparison, in_batches
from gallery.client.folder import LocalFile
from gallery.client.types import FileInQuestion
from gallery.errors import RefusedRequest
from gallery.models import Choice
from gallery.names import check_file_name, numbered

Choices = Mapping[str, Choice]
"""What to do with each file that would replace another photograph, by its name."""
Ask = Callable[[Sequence[ComparedPhotograph]], Choices | None]
"""Asks a person about these photographs; `None` where they stop."""


@dataclass(frozen=True, slots=True)
class FileToSend:
    """A file as it is sent. `expect`: as of `DeclaredFile`."""

    file: LocalFile
    expect: str | None = None

    @property
    def file_name(self) -> str:
        return self.file.file_name


def settle(comparison: FolderComparison, ask: Ask, *, by_name: bool = False) -> Choices | None:
    """A choice for each photograph whose name belongs to another one, or `None` where somebody stops.

    A file whose content the gallery has under another name is not sent, and not asked about. But where all such names
    are to be replaced, the gallery would lose this content: then the file counts like any other. `by_name`: so it does
    wherever its own name belongs to another one, for a gallery that is to show what the folder has under each name.
    """
    choices: dict[str, Choice] = {}
    due = comparison.of("replace", "unknown")
    if by_name:
        due = tuple(one for one in comparison.photographs if one.there.would in ("replace", "unknown"))
    while due:
        answers = ask(due)
        if answers is None:
            return None
        choices.update({photograph.file.file_name: answers[photograph.file.file_name] for photograph in due})
        due = tuple(
            photograph
            for photograph in comparison.of("under_another_name")
            if photograph.there.would != "add"
            and photograph.file.file_name not in choices
            and _is_only_here(photograph, choices)
        )
    return choices


def files_to_send(comparison: FolderComparison, choices: Choices, new_names: Mapping[str, str]) -> list[FileToSend]:
    """What is sent, given the choices, and the names of what is kept beside another photograph."""
    to_send = []
    for photograph in comparison.photographs:
        file, there = photograph.file, photograph.there
        choice = choices.get(file.file_name)
        if choice == "replace":
            # An upload that is under way decides what is there: the later one replaces it.
            to_send.append(FileToSend(file, None if there.would == "unknown" else there.sha256))
        elif choice == "keep_both":
            to_send.append(FileToSend(replace(file, file_name=new_names[file.file_name]), "absent"))
        elif choice is None and there.would == "add" and _is_only_here(photograph, choices):
            to_send.append(FileToSend(file, "absent"))
    return to_send


def free_names(
    client: GalleryClient, gallery_id: str, folder_name: str, comparison: FolderComparison, choices: Choices, batch: int
) -> dict[str, str]:
    """A name that is free in the gallery for each file that is kept beside another photograph, by its own name."""
    waiting = {
        photograph.file.file_name: photograph.file
        for photograph in comparison.photographs
        if choices.get(photograph.file.file_name) == "keep_both"
    }
    taken = {photograph.file.file_name for photograph in comparison.photographs}
    candidates = {name: _candidates(folder_name, name) for name in waiting}
    free: dict[str, str] = {}
    while waiting:
        proposed = {}
        for name, file in waiting.items():
            candidate = next(one for one in candidates[name] if one not in taken)
            taken.add(candidate)
            proposed[candidate] = file
        for some in in_batches([replace(file, file_name=name) for name, file in proposed.items()], batch):
            questions = [FileInQuestion(file.file_name, file.size) for file in some]
            for answer in client.compare(gallery_id, questions):
                if answer.would == "add":
                    free[proposed[answer.file_name].file_name] = answer.file_name
        waiting = {name: file for name, file in waiting.items() if name not in free}
    return {name: free[name] for name in candidates}


def _is_only_here(photograph: ComparedPhotograph, choices: Choices) -> bool:
    """Whether the gallery has this content under no other name, once the choices are carried out."""
    return all(choices.get(name) == "replace" for name in photograph.there.same_content_as)


def _candidates(folder_name: str, file_name: str) -> Iterator[str]:
    """`card2/IMG_0001.JPG`, then `IMG_0001 (2).JPG`, `IMG_0001 (3).JPG` and so on."""
    with suppress(RefusedRequest):  # too long, or the folder's name breaks a rule that its files keep
        yield check_file_name(f"{folder_name}/{file_name}")
    for number in count(2):
        yield numbered(file_name, number)
