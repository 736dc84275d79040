"""Deletions that a store takes only in its own way, or not at all."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from gallery.errors import DeletionRefused, TransientError
from gallery.models import Deletion, ObjectKey
from gallery.settings import Settings
from gallery.storage.bucket_rules import set_bucket_rules
from tests.faulty_s3 import FaultyS3, Request
from tests.storage.conftest import Store
from tests.storage.odd_stores import demanding_content_md5, md5_of

# XML 1.0 has no way to write them.
NOT_IN_XML = "a\ufffe.jpg", "b\uffff.jpg"


def wanted(store: Store, *names: str) -> list[Deletion]:
    return [Deletion(number, store.storage.uploads_bucket, store.stage(name).key) for number, name in enumerate(names)]


def left(store: Store) -> list[str]:
    return [found.key.removeprefix(f"{store.prefix}/") for found in store.storage.list_staged(store.prefix)]


@pytest.mark.parametrize(
    ("status", "code"), [(400, "MissingContentMD5"), (400, "InvalidRequest"), (411, "MissingDigest"), (501, "x")]
)
def test_a_store_that_demands_content_md5_gets_it_from_its_first_refusal_on(
    embedded: Store, own_proxy: FaultyS3, status: int, code: str
) -> None:
    asked = []

    def note(request: Request) -> bool:
        asked.append("content-md5" in request.headers)
        return False

    with own_proxy.fault("POST", "", when=note), demanding_content_md5(own_proxy, status, code):
        for _ in range(2):
            deletions = wanted(embedded, "a.jpg", "b.jpg")
            deleted = embedded.storage.delete(deletions)
            assert (deleted.done, deleted.refused, deleted.error) == (deletions, {}, None)
            assert left(embedded) == []
    assert asked == [False, True, True]
    assert embedded.storage.wants_content_md5 == ["DeleteObjects"]


def test_other_stores_get_no_content_md5(embedded: Store, own_proxy: FaultyS3) -> None:
    with own_proxy.fault("POST", "", when=lambda request: "content-md5" in request.headers) as with_md5:
        embedded.storage.delete(wanted(embedded, "a.jpg"))
    assert with_md5.seen == 0
    assert embedded.storage.wants_content_md5 == []


def test_a_bucket_whose_objects_are_locked_by_default_gets_content_md5_with_each_file(
    embedded: Store, own_proxy: FaultyS3, tmp_path: Path
) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"photograph" * 100_000)

    def lacks_it(request: Request) -> bool:
        return request.headers.get("content-md5") != md5_of(request.body)

    with own_proxy.fault("PUT", "", when=lacks_it, status=400, code="InvalidRequest") as refused:
        for name in ("1", "2"):
            embedded.storage.put(embedded.key(name), path, "image/jpeg")
            assert embedded.read(embedded.key(name)) == path.read_bytes()
        embedded.storage.write_bytes(embedded.key("3"), b"{}")
    assert refused.seen == 1


def test_rules_of_buckets_are_set_where_content_md5_is_demanded(
    embedded: Store, own_proxy: FaultyS3, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = embedded.client._request_signer._credentials.get_frozen_credentials()  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", frozen.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", frozen.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", embedded.storage.region)
    with demanding_content_md5(own_proxy):
        assert set_bucket_rules(settings.model_copy(update={"s3_endpoint_url": own_proxy.url})) == []


def test_content_md5_is_not_kept_where_it_does_not_help(embedded: Store, own_proxy: FaultyS3) -> None:
    with own_proxy.fault("POST", "", status=400, code="MalformedXML"):
        embedded.storage.delete(wanted(embedded, "a.jpg"))
    assert embedded.storage.wants_content_md5 == []


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_batch_that_a_store_cannot_read_is_divided_until_the_culprit_is_alone(
    embedded: Store, own_proxy: FaultyS3, count: int
) -> None:
    """As the stores do whose XML parser is strict; the embedded one's is not."""

    def is_no_xml(request: Request) -> bool:
        text = request.body.decode()
        return any(character in text for character in "\ufffe\uffff")

    others = [f"{number}.jpg" for number in range(count)]
    deletions = wanted(embedded, *others[:1], *NOT_IN_XML, *others[1:])
    with own_proxy.fault("POST", "", when=is_no_xml, status=400, code="MalformedXML") as refused:
        deleted = embedded.storage.delete(deletions)
    assert refused.seen
    assert sorted(deletion.key for deletion in deleted.done) == sorted(deletion.key for deletion in deletions)
    assert (deleted.refused, deleted.error) == ({}, None)
    assert left(embedded) == []


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (405, "MethodNotAllowed"), (404, "NoSuchKey")])
def test_a_store_without_batches_deletes_one_after_the_other(
    embedded: Store, own_proxy: FaultyS3, status: int, code: str
) -> None:
    deletions = wanted(embedded, "a.jpg", "b.jpg", "c.jpg")
    with own_proxy.fault("POST", "", status=status, code=code):
        deleted = embedded.storage.delete(deletions)
    assert {deletion.outbox_id for deletion in deleted.done} == {0, 1, 2}
    assert left(embedded) == []


@pytest.mark.parametrize("code", ["AccessDenied", "AllAccessDisabled"])
def test_what_a_store_refuses_is_told_with_its_code_and_holds_up_no_other(
    embedded: Store, own_proxy: FaultyS3, code: str
) -> None:
    deletions = wanted(embedded, "a.jpg", "locked.jpg", "z.jpg")
    embedded.storage.write_bytes(deletions[0].key, b"a library object of the same key")
    other = Deletion(9, embedded.storage.library_bucket, deletions[0].key)
    bucket = f"^/{embedded.storage.uploads_bucket}$"
    with own_proxy.fault("POST", bucket, status=403, code=code):
        deleted = embedded.storage.delete([*deletions, other])
    assert deleted.done == [other]
    assert deleted.refused == dict.fromkeys(deletions, code)
    with pytest.raises(DeletionRefused, match=rf"a\.jpg, and 2 more: {code}") as error:
        deleted.raise_left()
    assert error.value.reason == "deletion_refused"


def test_of_a_batch_what_is_deleted_is_done_though_others_are_refused_or_met_an_error(
    embedded: Store, own_proxy: FaultyS3
) -> None:
    deletions = wanted(embedded, "a", "busy", "gone", "locked", "z")
    codes = {"busy": "InternalError", "gone": "NoSuchKey", "locked": "AccessDenied"}
    said = [
        f"<Error><Key>{embedded.key(name)}</Key><Code>{code}</Code><Message>x</Message></Error>"
        for name, code in codes.items()
    ]
    said += [f"<Deleted><Key>{embedded.key(name)}</Key></Deleted>" for name in ("a", "z")]
    answer = f"<DeleteResult>{''.join(said)}</DeleteResult>".encode()
    with own_proxy.fault("POST", "", status=200, content=answer):
        deleted = embedded.storage.delete(deletions)
    assert [deletion.outbox_id for deletion in deleted.done] == [0, 2, 4]
    assert deleted.refused == {deletions[3]: "AccessDenied"}
    with pytest.raises(TransientError, match="busy: InternalError"):
        deleted.raise_left()


def test_what_was_deleted_before_a_store_went_away_is_done(
    embedded: Store, own_proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.storage.s3.DELETE_BATCH", 2)
    deletions = wanted(embedded, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    with own_proxy.fault("POST", "", when=lambda request: b"c.jpg" in request.body, status=503):
        deleted = embedded.storage.delete(deletions)
    assert deleted.done == deletions[:2]
    assert isinstance(deleted.error, TransientError)
    assert left(embedded) == ["c.jpg", "d.jpg"]


def test_one_object_in_two_rows_is_deleted_for_both(embedded: Store) -> None:
    (deletion,) = wanted(embedded, "a.jpg")
    again = Deletion(7, deletion.bucket, ObjectKey(deletion.key))
    assert embedded.storage.delete([deletion, again]).done == [deletion, again]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer",
    [
        b"<html><body>Please log in</body></html>",
        b"<DeleteResult/>",
        b"<DeleteResult><Error><Code>InternalError</Code><Message>x</Message></Error></DeleteResult>",
        b"<DeleteResult><Error><Key>another</Key><Code>AccessDenied</Code></Error></DeleteResult>",
        b"<DeleteResult><Deleted><Key>another</Key></Deleted></DeleteResult>",
        b"",
    ],
    ids=["a page", "nothing", "no key", "another key refused", "another key deleted", "empty"],
)
def test_what_an_answer_does_not_name_is_not_done(embedded: Store, own_proxy: FaultyS3, answer: bytes) -> None:
    with own_proxy.fault("POST", "", status=200, content=answer):
        deleted = embedded.storage.delete(wanted(embedded, "a.jpg", "b.jpg"))
    assert (deleted.done, deleted.refused) == ([], {})
    assert isinstance(deleted.error, TransientError)


def test_keys_that_a_store_encodes_as_in_addresses_are_known_again(embedded: Store, own_proxy: FaultyS3) -> None:
    one, other = wanted(embedded, "Käse +1.jpg", "%41.jpg")
    said = (
        f"<Deleted><Key>{quote(one.key)}</Key></Deleted><Error><Key>{other.key}</Key><Code>AccessDenied</Code></Error>"
    )
    with own_proxy.fault("POST", "", status=200, content=f"<DeleteResult>{said}</DeleteResult>".encode()):
        deleted = embedded.storage.delete([one, other])
    assert (deleted.done, deleted.refused, deleted.error) == ([one], {other: "AccessDenied"}, None)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [403, 503])
def test_one_object_that_may_not_be_looked_at_holds_up_no_other(
    embedded: Store, own_proxy: FaultyS3, status: int
) -> None:
    staged = [embedded.stage(name) for name in ("a.jpg", "held.jpg", "z.jpg")]
    bucket = embedded.storage.uploads_bucket
    pinned = [Deletion(number, bucket, found.key, found.etag) for number, found in enumerate(staged)]
    with own_proxy.fault("HEAD", "held", status=status):
        deleted = embedded.storage.delete(pinned)
    if status == 403:
        assert (deleted.done, list(deleted.refused), deleted.error) == ([pinned[0], pinned[2]], [pinned[1]], None)
    else:
        # A store that is away is not asked about each of a thousand.
        assert (deleted.done, deleted.refused) == ([pinned[0]], {})
        assert isinstance(deleted.error, TransientError)


@pytest.mark.parametrize("code", ["InvalidDigest", "MissingContentMD5", "MissingDigest"])
def test_a_demand_for_content_md5_is_known_by_its_code_as_well(embedded: Store, own_proxy: FaultyS3, code: str) -> None:
    with demanding_content_md5(own_proxy, 403, code):
        assert embedded.storage.delete(wanted(embedded, "a.jpg")).error is None
    assert left(embedded) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("content", [b"<html><body>Please log in</body></html>", b"<x/>"])
def test_what_is_no_listing_shows_no_empty_bucket(embedded: Store, own_proxy: FaultyS3, content: bytes) -> None:
    with own_proxy.fault("GET", "", status=200, content=content):
        with pytest.raises(TransientError, match="no listing"):
            list(embedded.storage.list_staged("g/"))
        with pytest.raises(TransientError, match="no listing"):
            embedded.storage.create_buckets()
