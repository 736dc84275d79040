"""The page at `/`: static files with security headers, nothing inline, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gallery.api.problems import problem
from gallery.settings import Settings

FOLDER = Path(__file__).parents[2] / "page"


def add_page(app: FastAPI, settings: Settings) -> None:
    """Serve the page at `/`, and its files below `/page`."""
    headers = page_headers(settings)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        index = FOLDER / "index.html"
        if not index.is_file():
            return problem(404, "not_found", "this installation has no upload page")
        return FileResponse(index, headers=headers)

    app.mount("/page", _Files(headers), name="page")


def page_headers(settings: Settings) -> dict[str, str]:
    """Security headers for a page that talks to its own server and to S3, and shows images of both."""
    s3 = _s3_origin(settings)
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "font-src": "'self'",
        "connect-src": f"'self' {s3}",
        "img-src": f"'self' {s3} blob: data:",
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        # Not even to S3: the address bar may have held a link's token.
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-cache",
    }


def _s3_origin(settings: Settings) -> str:
    endpoint = settings.s3_public_endpoint_url or settings.s3_endpoint_url
    if endpoint is None:
        # AWS, buckets as hosts: bucket.s3.amazonaws.com or bucket.s3.eu-central-1.amazonaws.com.
        return "https://*.amazonaws.com"
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}"


class _Files(StaticFiles):
    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(directory=FOLDER, check_dir=False)
        self._headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(self._headers)
        return response
