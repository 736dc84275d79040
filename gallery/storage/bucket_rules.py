"""Rules of the buckets: which pages may send files from a browser, and when staged files expire.

Ours are known by their ids, so that setting them again changes nothing and rules of others stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from gallery.settings import Settings
from gallery.storage.content_md5 import ContentMd5
from gallery.storage.s3 import error_code, s3_client, translated

CORS_RULE = "gallery-ingest"
LIFECYCLE_RULE = "gallery-ingest-staged"
# A browser asks again after this many seconds whether it may; Chromium caps it at two hours.
PREFLIGHT_SECONDS = 3600
# What stores answer that lack a feature: MinIO has no CORS of buckets, others no lifecycle. Swift takes the rules for
# those of a new bucket, and says MalformedXML.
UNSUPPORTED = frozenset({"NotImplemented", "MethodNotAllowed", "NotSupported", "MalformedXML", "501", "405"})
NONE_YET = frozenset({"NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration", "404"})


def set_bucket_rules(settings: Settings) -> list[str]:
    """Set CORS (`cors_origins`) and expiry (`staged_days`) of the uploads bucket.

    Returns a sentence for each rule that the store does not support. Raises `TransientError`.
    """
    client: Any = s3_client(settings, settings.s3_endpoint_url)
    md5 = ContentMd5(client)
    bucket = settings.uploads_bucket
    try:
        unsupported = [
            _supported(lambda: _set_cors(client, md5, bucket, settings.cors_origins), "CORS", bucket),
            _supported(lambda: _set_expiry(client, md5, bucket, settings.staged_days), "lifecycle", bucket),
        ]
    finally:
        client.close()
    return [sentence for sentence in unsupported if sentence]


def _supported(set_rule: Callable[[], None], feature: str, bucket: str) -> str | None:
    with translated(f"set {feature} rules", bucket):
        try:
            set_rule()
        except ClientError as error:
            if error_code(error) in UNSUPPORTED:
                return f"{bucket}: this store has no {feature} rules of buckets; set them as its manual says"
            raise
    return None


def _set_cors(client: Any, md5: ContentMd5, bucket: str, origins: Sequence[str]) -> None:
    others = _rules(lambda: client.get_bucket_cors(Bucket=bucket).get("CORSRules", []), CORS_RULE)
    ours = {
        "ID": CORS_RULE,
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["POST", "PUT", "GET", "HEAD"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": PREFLIGHT_SECONDS,
    }
    rules = [*others, ours] if origins else others
    if rules:
        configuration = {"CORSRules": rules}
        md5.send("PutBucketCors", lambda: client.put_bucket_cors(Bucket=bucket, CORSConfiguration=configuration))
    else:
        client.delete_bucket_cors(Bucket=bucket)


def _set_expiry(client: Any, md5: ContentMd5, bucket: str, days: int) -> None:
    others = _rules(
        lambda: client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", []),
        LIFECYCLE_RULE,
    )
    ours = {
        "ID": LIFECYCLE_RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": days},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    configuration = {"Rules": [*others, ours]}
    md5.send(
        "PutBucketLifecycleConfiguration",
        lambda: client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=configuration),
    )


def _rules(read: Callable[[], list[dict[str, Any]]], ours: str) -> list[dict[str, Any]]:
    """The bucket's rules that are not ours."""
    try:
        return [rule for rule in read() if rule.get("ID") != ours]
    except ClientError as error:
        if error_code(error) in NONE_YET:
            return []
        raise
