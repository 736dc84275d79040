"""As the web request did it: one image after the other, whole in memory, decoded in full, each style from that.

Plain boto3 and Pillow in one process. It makes the same sizes, formats and marks, and writes the same rows through
the catalogue; what it leaves out is what the stages do about orientation, colour, limits, metadata and placeholders.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from bench.peers.arguments import finish, plan, staged_upload
from bench.peers.single_process import begin, open_for
from gallery.imaging.encode import ENCODINGS
from gallery.imaging.recipe import Recipe, Style
from gallery.imaging.watermark import draw_watermark
from gallery.ingest import stages
from gallery.ingest.workspace import Workspace
from gallery.models import Entry, ProcessedImage, Rendition
from gallery.settings import load_settings
from gallery.storage.s3 import s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def ingest(workspace: Workspace, client: S3Client, entry: Entry) -> None:
    """Read, decode, render and save one image."""
    body = client.get_object(Bucket=workspace.storage.uploads_bucket, Key=entry.staged_key)["Body"].read()
    image = Image.open(BytesIO(body))
    image.load()
    renditions = tuple(
        _put(workspace, client, entry, style, _render(image, style, workspace.recipe))
        for style in workspace.recipe.styles
    )
    processed = ProcessedImage(
        sha256=hashlib.sha256(body).hexdigest(),
        recipe_id=workspace.recipe.recipe_id,
        width=image.width,
        height=image.height,
        source_format=image.format or "",
        extension=".jpg",
        metadata={},
        renditions=renditions,
    )
    stages.cleanup(workspace, stages.save(workspace, entry, processed))


def _render(image: Image.Image, style: Style, recipe: Recipe) -> tuple[Image.Image, bytes]:
    scale = min(style.width / image.width, style.height / image.height, 1.0)
    size = round(image.width * scale), round(image.height * scale)
    rendition = image.resize(size, Image.Resampling.LANCZOS)
    if style.watermark and recipe.watermark is not None:
        rendition = draw_watermark(rendition, recipe.watermark)
    file = BytesIO()
    rendition.save(file, style.format, quality=style.quality)
    return rendition, file.getvalue()


def _put(
    workspace: Workspace, client: S3Client, entry: Entry, style: Style, rendered: tuple[Image.Image, bytes]
) -> Rendition:
    image, content = rendered
    encoding = ENCODINGS[style.format]
    key = workspace.keys_of(entry).rendition(style.name, workspace.recipe.recipe_id, encoding.extension)
    answer = client.put_object(
        Bucket=workspace.storage.library_bucket, Key=key, Body=content, ContentType=encoding.content_type
    )
    return Rendition(
        style=style.name,
        key=key,
        width=image.width,
        height=image.height,
        bytes=len(content),
        content_type=encoding.content_type,
        etag=answer["ETag"].strip('"'),
    )


def main() -> None:
    gallery_id, upload_id = staged_upload()
    settings = load_settings()
    client = s3_client(settings, settings.s3_endpoint_url)
    with open_for(settings, begin(settings, gallery_id, upload_id)) as workspace:
        for entry in plan(workspace):
            ingest(workspace, client, entry)
        finish(workspace)


if __name__ == "__main__":
    main()
