"""Policies of presigned POSTs as all stores read them."""

from __future__ import annotations

import base64
import json

from botocore.auth import AUTH_TYPE_MAPS, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest


class PostAuthInUtf8(S3SigV4PostAuth):
    """Signs a policy that is written in UTF-8.

    botocore escapes what is not ASCII, what is beyond U+FFFF as two surrogates. Ceph's radosgw does not join these, and
    refuses the file. Stores read UTF-8 as well:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    """

    def add_auth(self, request: AWSRequest) -> None:
        super().add_auth(request)
        fields = request.context["s3-presign-post-fields"]
        policy = json.dumps(request.context["s3-presign-post-policy"], ensure_ascii=False)
        fields["policy"] = base64.b64encode(policy.encode()).decode()
        fields["x-amz-signature"] = self.signature(fields["policy"], request)


def sign_posts_in_utf8() -> None:
    """Have all clients of this process do so: botocore has no setting for it."""
    AUTH_TYPE_MAPS["s3v4-presign-post"] = PostAuthInUtf8
