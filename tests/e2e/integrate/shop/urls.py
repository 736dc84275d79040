"""Where the views of docs/integrate.md are, and the page with its Uppy."""

import os
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import path

from . import views  # type: ignore[attr-defined]  # the test makes it of the page's views

HERE = Path(__file__).parent


def page(request: HttpRequest) -> HttpResponse:
    text = (HERE / "page.html").read_text()
    for name, value in (
        ("SNIPPET", (HERE / "uppy.js").read_text()),
        ("GALLERY_URL", os.environ["GALLERY_API_URL"]),
        ("CSRF_TOKEN", get_token(request)),
    ):
        text = text.replace(f"[[{name}]]", value)
    return HttpResponse(text)


def bundle(_: HttpRequest) -> FileResponse:
    return FileResponse((HERE / "uppy.min.mjs").open("rb"), content_type="text/javascript")


def module(_: HttpRequest, *, name: str) -> HttpResponse:
    """What a bundler would find under the names of Uppy's packages."""
    return HttpResponse(f"export {{ {name} as default }} from './uppy.min.mjs';", content_type="text/javascript")


urlpatterns = [
    path("", page),
    path("uppy.min.mjs", bundle),
    path("uppy-core.mjs", module, {"name": "Uppy"}),
    path("uppy-xhr-upload.mjs", module, {"name": "XHRUpload"}),
    path("galleries/<slug:gallery_id>/presign", views.presign_view),
    path("uploads/<str:upload_id>/complete", views.complete_view),
    path("gallery-callbacks", views.callback_view),
]
