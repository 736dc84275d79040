"""Nothing is replaced unasked: what a sender expects is what is there, or the entry waits for a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import event

from gallery.catalogue import claims, outcomes
from gallery.catalogue.compare import Comparison, OfferedFile, compare
from gallery.catalogue.connect import transaction
from gallery.catalogue.decisions import Decided, Decision, count_undecided, decide
from gallery.catalogue.deletion import delete_gallery
from gallery.catalogue.locks import lock_upload
from gallery.catalogue.plan import make_plan
from gallery.catalogue.uploads import await_retry
from gallery.errors import ConflictError, NotFoundError, WouldReplace
from gallery.models import Attempt, Choice
from gallery.storage.s3 import StoredObject
from tests.catalogue.conftest import LIBRARY, RECIPE, TERMS, UPLOADS, Catalogue, etag, hold, sha256


def shown(catalogue: Catalogue, gallery_id: str, name: str = "a.jpg") -> str:
    return catalogue.current(gallery_id, name).sha256


def refused(catalogue: Catalogue, gallery_id: str, *names: str) -> Attempt:
    """An attempt that has ended, of an upload of B, whose files were refused since the gallery has A."""
    catalogue.save(catalogue.begun(gallery_id, "a.jpg"), "A")
    names = names or ("a.jpg",)
    for name in names[1:]:
        catalogue.save(catalogue.begun(gallery_id, name), "A")
    attempt = catalogue.begun(gallery_id, *names, expect="absent")
    assert settle(catalogue, attempt, "B") == dict.fromkeys(range(1, len(names) + 1), "rejected")
    ended(catalogue, attempt)
    return attempt


def settle(catalogue: Catalogue, attempt: Attempt, content: str) -> dict[int, str]:
    """What is settled once the entries are downloaded."""
    entries = catalogue.entries(attempt, content)
    with transaction(catalogue.engine) as session:
        hold(session, attempt, *(entry.number for entry in entries))
        hashes = {entry.number: sha256(content) for entry in entries}
        return dict(outcomes.settle_known(session, attempt, TERMS, entries, hashes))


def ended(catalogue: Catalogue, attempt: Attempt) -> None:
    with transaction(catalogue.engine) as session:
        claims.leave(session, attempt.owner)


def decided(catalogue: Catalogue, attempt: Attempt, given: Mapping[str, Choice], rest: Choice | None = None) -> Decided:
    with transaction(catalogue.engine) as session:
        return decide(session, lock_upload(session, attempt.upload_id), given, rest)


def retried(catalogue: Catalogue, attempt: Attempt) -> Attempt:
    with transaction(catalogue.engine) as session:
        await_retry(lock_upload(session, attempt.upload_id), "tests")
    return catalogue.begin(attempt.gallery_id, attempt.upload_id)


def plan(catalogue: Catalogue, attempt: Attempt, content: str) -> int:
    """How many entries there are to do, of which the stored content is this."""
    entries = catalogue.entries(attempt)
    staged = {entry.staged_key: StoredObject(entry.staged_key, etag(content), 100) for entry in entries}
    with transaction(catalogue.engine) as session:
        return make_plan(session, attempt, TERMS, staged).todo


def test_what_is_expected_to_be_absent_is_added(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, expect="absent")
    assert catalogue.save(attempt, "A").outcome == "saved"
    # Its own version, when the answer of the commit was lost or it is redone by force.
    again = catalogue.begin(gallery_id, attempt.upload_id, force=True)
    assert catalogue.save(again, "A").outcome == "replaced"


def test_another_content_is_not_replaced(catalogue: Catalogue, gallery_id: str) -> None:
    first = catalogue.begun(gallery_id)
    catalogue.save(first, "A")
    attempt = catalogue.begun(gallery_id, expect="absent")
    before = catalogue.image(gallery_id)
    with pytest.raises(WouldReplace) as error:
        catalogue.save(attempt, "B")
    assert error.value.sha256 == sha256("A")
    after = catalogue.image(gallery_id)
    assert (after.current_version_id, after.last_seq) == (before.current_version_id, before.last_seq)
    assert catalogue.outbox(first, attempt) == []


def test_the_same_content_is_unchanged_whatever_is_expected(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    for expect in ("absent", sha256("B")):
        assert catalogue.save(catalogue.begun(gallery_id, expect=expect), "A").outcome == "unchanged"


def test_the_same_content_by_another_recipe_replaces_the_renditions(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    attempt = catalogue.begun(gallery_id, expect="absent")
    assert catalogue.save(attempt, "A", recipe="recipe-two").outcome == "replaced"


def test_the_version_that_is_expected_is_replaced_and_no_other(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    mine, other = (catalogue.begun(gallery_id, expect=sha256("A")) for _ in range(2))
    assert catalogue.save(mine, "B").outcome == "replaced"
    with pytest.raises(WouldReplace):
        catalogue.save(other, "C")
    assert shown(catalogue, gallery_id) == sha256("B")


def test_a_later_upload_that_was_faster_is_told_of_and_not_passed_over(catalogue: Catalogue, gallery_id: str) -> None:
    earlier = catalogue.begun(gallery_id, expect="absent")
    same = catalogue.begun(gallery_id, expect="absent")
    careless = catalogue.begun(gallery_id)
    later = catalogue.begun(gallery_id, expect="absent")
    catalogue.save(later, "B")
    with pytest.raises(WouldReplace):
        catalogue.save(earlier, "A")
    assert catalogue.save(careless, "A").outcome == "superseded"
    last_seq = catalogue.image(gallery_id).last_seq
    assert catalogue.save(same, "B").outcome == "unchanged"
    assert catalogue.image(gallery_id).last_seq == last_seq


def test_an_expectation_is_of_the_first_time_only(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, expect="absent")
    catalogue.save(attempt, "A")
    catalogue.save(catalogue.begun(gallery_id), "B")
    again = catalogue.begin(gallery_id, attempt.upload_id, force=True)
    assert catalogue.save(again, "A").outcome == "superseded"


def test_a_deletion_keeps_its_place_in_the_order(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    before = catalogue.begun(gallery_id, expect=sha256("A"))
    with transaction(catalogue.engine) as session:
        delete_gallery(session, gallery_id, uploads_bucket=UPLOADS, library_bucket=LIBRARY, requested_by="tests")
    assert catalogue.save(before, "B").outcome == "superseded"
    # There is nothing to be lost.
    assert catalogue.save(catalogue.begun(gallery_id, expect=sha256("A")), "B").outcome == "saved"


def test_it_is_settled_before_it_is_processed(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id)
    entry = catalogue.entry(attempt)
    assert (entry.outcome, entry.stage, entry.reason) == ("rejected", "save", "would_replace")
    assert entry.conflict_sha256 == sha256("A")
    assert entry.todo_attempt is None
    with transaction(catalogue.engine) as session:
        assert count_undecided(session, attempt.upload_id) == 1
    # A retry leaves it to who decides.
    assert plan(catalogue, retried(catalogue, attempt), "B") == 0


def test_a_plan_leaves_open_what_only_the_content_tells(catalogue: Catalogue, gallery_id: str) -> None:
    guarded, careless = catalogue.begun(gallery_id, expect="absent"), catalogue.begun(gallery_id)
    catalogue.save(catalogue.begun(gallery_id), "A")
    assert plan(catalogue, careless, "B") == 0
    assert catalogue.entry(careless).outcome == "superseded"
    assert plan(catalogue, guarded, "B") == 1
    assert catalogue.entry(guarded).outcome is None
    # The same ETag is the same content.
    assert plan(catalogue, catalogue.begun(gallery_id, expect="absent"), "A") == 0


def test_a_decision_to_replace_replaces_what_it_was_refused_for(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id)
    careless = catalogue.begun(gallery_id)
    assert decided(catalogue, attempt, {"a.jpg": "replace"}) == Decided(
        (Decision("a.jpg", "replace", None),), to_do=True
    )
    again = retried(catalogue, attempt)
    assert plan(catalogue, again, "B") == 1
    assert catalogue.save(again, "B").outcome == "replaced"
    assert shown(catalogue, gallery_id) == sha256("B")
    # It is later than all that was accepted before it.
    assert catalogue.save(careless, "C").outcome == "superseded"


def test_a_decision_is_about_the_version_that_was_seen(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id)
    decided(catalogue, attempt, {"a.jpg": "replace"})
    catalogue.save(catalogue.begun(gallery_id), "C")
    again = retried(catalogue, attempt)
    assert settle(catalogue, again, "B") == {1: "rejected"}
    ended(catalogue, again)
    assert catalogue.entry(again).conflict_sha256 == sha256("C")
    assert shown(catalogue, gallery_id) == sha256("C")
    # It can be decided once more.
    decided(catalogue, attempt, {"a.jpg": "replace"})
    assert catalogue.save(retried(catalogue, attempt), "B").outcome == "replaced"


def test_both_are_kept_under_the_first_free_name(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id, "a (2).jpg"), "X")
    attempt = refused(catalogue, gallery_id, "a.jpg", "a (3).jpg")
    made = (Decision("a.jpg", "keep_both", "a (4).jpg"), Decision("a (3).jpg", "keep_both", "a (3) (2).jpg"))
    assert decided(catalogue, attempt, {}, "keep_both") == Decided(made, to_do=True)
    again = retried(catalogue, attempt)
    assert catalogue.save(again, "B").outcome == "saved"
    assert [shown(catalogue, gallery_id, name) for name in ("a.jpg", "a (4).jpg")] == [sha256("A"), sha256("B")]
    # The same call again, with the names that it knows, or learnt.
    ended(catalogue, again)
    repeated = decided(catalogue, attempt, {"a.jpg": "keep_both", "a (3) (2).jpg": "keep_both"})
    assert repeated == Decided(made, to_do=False)


def test_what_is_left_out_stays_refused_and_is_no_longer_asked_about(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id, "a.jpg", "b.jpg")
    assert not decided(catalogue, attempt, {"a.jpg": "skip"}).to_do
    entry = catalogue.entry(attempt)
    assert (entry.outcome, entry.reason) == ("rejected", "left_out")
    # All others, of which it is none.
    assert decided(catalogue, attempt, {}, "replace").decisions == (Decision("b.jpg", "replace", None),)
    assert decided(catalogue, attempt, {"a.jpg": "skip"}).decisions == (Decision("a.jpg", "skip", None),)


def test_what_is_left_out_is_not_taken_up_again(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id)
    decided(catalogue, attempt, {"a.jpg": "skip"})
    with transaction(catalogue.engine) as session:
        await_retry(lock_upload(session, attempt.upload_id), "tests")
    forced = catalogue.begin(gallery_id, attempt.upload_id, force=True)
    assert plan(catalogue, forced, "B") == 0
    assert catalogue.entry(forced).reason == "left_out"


def test_what_waits_for_no_decision_cannot_be_decided(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id)
    with pytest.raises(NotFoundError, match=r"no file 'z\.jpg'"):
        decided(catalogue, attempt, {"z.jpg": "skip"})
    decided(catalogue, attempt, {"a.jpg": "replace"})
    with pytest.raises(ConflictError, match="waits for no decision: it is pending"):
        decided(catalogue, attempt, {"a.jpg": "skip"})
    saved = catalogue.begun(gallery_id, "c.jpg")
    catalogue.save(saved, "C")
    with pytest.raises(ConflictError, match="it is saved"):
        decided(catalogue, saved, {"c.jpg": "replace"})


def test_nothing_is_decided_while_a_process_works_on_the_upload(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id)
    retried(catalogue, attempt)
    with pytest.raises(ConflictError, match="decide once its run has ended"):
        decided(catalogue, attempt, {"a.jpg": "replace"})
    assert catalogue.entry(attempt).reason == "would_replace"


def test_a_deletion_outranks_decisions_before_it(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = refused(catalogue, gallery_id)
    decided(catalogue, attempt, {"a.jpg": "keep_both"})
    with transaction(catalogue.engine) as session:
        delete_gallery(session, gallery_id, uploads_bucket=UPLOADS, library_bucket=LIBRARY, requested_by="tests")
    assert catalogue.save(retried(catalogue, attempt), "B").outcome == "superseded"


class Person:
    """Somebody who compares, and sends what the comparison allows: replacing what it has shown, by choice."""

    def __init__(self, catalogue: Catalogue, gallery_id: str, content: str) -> None:
        self._catalogue, self._gallery_id, self._content = catalogue, gallery_id, content
        self.seen: str | None = None
        self.became = ""

    def steps(self) -> list[Callable[[], None]]:
        return [self._compare, self._presign, self._complete, self._run]

    def _compare(self) -> None:
        (found,) = compared(self._catalogue, self._gallery_id, ("a.jpg", 100, sha256(self._content)))
        self.seen = found.sha256

    def _presign(self) -> None:
        self._upload_id = self._catalogue.open(self._gallery_id, expect=self.seen or "absent")

    def _complete(self) -> None:
        self._catalogue.accept(self._upload_id)

    def _run(self) -> None:
        attempt = self._catalogue.begin(self._gallery_id, self._upload_id)
        try:
            self.became = self._catalogue.save(attempt, self._content).outcome
        except WouldReplace as error:
            self.became = f"refused for {error.sha256}"


@pytest.mark.parametrize("before", [None, "A"], ids=["an empty gallery", "a gallery that has one"])
def test_of_two_people_in_whatever_order_none_replaces_what_was_not_shown(
    catalogue: Catalogue, gallery_id: str, before: str | None
) -> None:
    # Who begins is the first; the others' orders are the same with the names changed.
    for number, turns in enumerate((0, *rest) for rest in combinations(range(1, 8), 3)):
        gallery = f"{gallery_id}-{number}"
        if before is not None:
            catalogue.save(catalogue.begun(gallery), before)
        people = [Person(catalogue, gallery, content) for content in ("B", "C")]
        steps = [iter(person.steps()) for person in people]
        runs = []
        for turn in range(8):
            who = 0 if turn in turns else 1
            next(steps[who])()
            if people[who].became and who not in runs:
                runs.append(who)
        first, second = (people[who] for who in runs)
        taken = "saved" if before is None else "replaced"
        assert first.became == taken, turns
        winner = sha256("B" if runs[0] == 0 else "C")
        if second.seen == winner:
            # It was shown the other's, and has chosen to replace that.
            assert second.became == "replaced", turns
        else:
            assert second.became == f"refused for {winner}", turns
            assert shown(catalogue, gallery) == winner, turns


def compared(catalogue: Catalogue, gallery_id: str, *files: tuple[Any, ...]) -> list[Comparison]:
    with transaction(catalogue.engine) as session:
        return compare(session, gallery_id, [OfferedFile(*file) for file in files], RECIPE)


def test_files_are_compared_by_name_size_and_content(catalogue: Catalogue, gallery_id: str) -> None:
    attempt = catalogue.begun(gallery_id, "a.jpg", "b.jpg")
    catalogue.save(attempt, "A", number=1)
    catalogue.save(attempt, "B", number=2, recipe="recipe-zero")
    ids = {name: catalogue.image(gallery_id, name).image_id for name in ("a.jpg", "b.jpg")}
    # All of the tests' contents have 100 bytes.
    assert compared(
        catalogue,
        gallery_id,
        ("new.jpg", 7),
        ("other.jpg", 100),
        ("other.jpg", 100, sha256("A")),
        ("a.jpg", 7),
        ("a.jpg", 100, sha256("A")),
        ("a.jpg", 100, sha256("C")),
        ("a.jpg", 100, sha256("B")),
        ("b.jpg", 100, sha256("B")),
    ) == [
        Comparison("new.jpg", "add", None, None, (), is_former_recipe=False, hash_wanted=False),
        Comparison("other.jpg", "add", None, None, (), is_former_recipe=False, hash_wanted=True),
        Comparison("other.jpg", "add", None, None, ("a.jpg",), is_former_recipe=False, hash_wanted=False),
        Comparison("a.jpg", "replace", sha256("A"), ids["a.jpg"], (), is_former_recipe=False, hash_wanted=True),
        Comparison(
            "a.jpg", "leave_unchanged", sha256("A"), ids["a.jpg"], (), is_former_recipe=False, hash_wanted=False
        ),
        Comparison("a.jpg", "replace", sha256("A"), ids["a.jpg"], (), is_former_recipe=False, hash_wanted=False),
        Comparison(
            "a.jpg", "replace", sha256("A"), ids["a.jpg"], ("b.jpg",), is_former_recipe=False, hash_wanted=False
        ),
        Comparison("b.jpg", "leave_unchanged", sha256("B"), ids["b.jpg"], (), is_former_recipe=True, hash_wanted=False),
    ]


def test_what_an_upload_under_way_will_do_is_not_known(catalogue: Catalogue, gallery_id: str) -> None:
    def would(*names: str) -> list[str]:
        return [one.would for one in compared(catalogue, gallery_id, *((name, 1) for name in names))]

    upload_id = catalogue.open(gallery_id, "a.jpg", "b.jpg")
    # Whoever sends it may never complete it.
    assert would("a.jpg") == ["add"]
    catalogue.accept(upload_id)
    assert would("a.jpg", "b.jpg", "c.jpg") == ["unknown", "unknown", "add"]
    attempt = catalogue.begin(gallery_id, upload_id)
    catalogue.save(attempt, "A")
    assert would("a.jpg", "b.jpg") == ["replace", "unknown"]
    catalogue.complain(attempt, "rejected", 2)
    assert would("b.jpg") == ["add"]


def test_what_an_upload_under_way_may_replace_is_not_promised(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id, "a.jpg"), "A")
    catalogue.save(catalogue.begun(gallery_id, "kept.jpg"), "A")
    other = catalogue.open(gallery_id, "a.jpg", size=8)
    catalogue.accept(other)

    def one(*file: Any) -> Comparison:
        (found,) = compared(catalogue, gallery_id, file)
        return found

    # The gallery has it, but the name is about to show something else.
    same = one("a.jpg", 100, sha256("A"))
    assert (same.would, same.same_content_as, same.under_way_as) == ("unknown", ("kept.jpg",), ("a.jpg",))
    moved = one("mine/a.jpg", 100, sha256("A"))
    assert (moved.would, moved.same_content_as, moved.under_way_as) == ("add", ("kept.jpg",), ())
    assert (moved.same_content_under_way, same.same_content_under_way) == (("a.jpg",), ())
    # What has the size of its file may be its file.
    sized = one("mine/b.jpg", 8)
    assert (sized.would, sized.under_way_as) == ("add", ("a.jpg",))
    assert one("mine/b.jpg", 9).under_way_as == ()
    attempt = catalogue.begin(gallery_id, other)
    catalogue.save(attempt, "B")
    assert (one("a.jpg", 100, sha256("A")).would, one("mine/b.jpg", 8).under_way_as) == ("replace", ())


def test_of_uploads_under_way_a_few_names_are_told(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.accept(catalogue.open(gallery_id, *(f"{number}.jpg" for number in range(9)), size=8))
    (named,) = compared(catalogue, gallery_id, ("7.jpg", 8))
    assert named.under_way_as == ("7.jpg", "0.jpg", "1.jpg", "2.jpg", "3.jpg")


def test_another_gallery_plays_no_part(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(f"{gallery_id}-b"), "A")
    catalogue.accept(catalogue.open(f"{gallery_id}-b", "b.jpg"))
    found = compared(catalogue, gallery_id, ("a.jpg", 100), ("b.jpg", 1), ("c.jpg", 1, sha256("A")))
    assert {(one.would, one.same_content_as, one.hash_wanted) for one in found} == {("add", (), False)}


def test_ten_thousand_files_are_compared_by_four_queries(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id, "5.jpg"), "A")
    statements: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(catalogue.engine, "before_cursor_execute", count)
    try:
        found = compared(catalogue, gallery_id, *((f"{n}.jpg", n) for n in range(10_000)))
    finally:
        event.remove(catalogue.engine, "before_cursor_execute", count)
    assert len([one for one in statements if one.startswith("SELECT")]) == 4
    assert [one.file_name for one in found if one.would == "replace"] == ["5.jpg"]
    assert [one.file_name for one in found if one.hash_wanted] == ["5.jpg", "100.jpg"]


def test_an_image_shows_nothing_but_its_current_version(catalogue: Catalogue, gallery_id: str) -> None:
    catalogue.save(catalogue.begun(gallery_id), "A")
    catalogue.save(catalogue.begun(gallery_id), "B")
    (found,) = compared(catalogue, gallery_id, ("x.jpg", 100, sha256("A")))
    assert found.same_content_as == ()
