"""A second process of an upload's newest attempt, started by hand: it claims what the run has not, and ends with it.

python -m tests.e2e.second_process UPLOAD
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from prefect import flow

from flows.ingest_gallery import take_through_stages
from gallery.catalogue import claims
from gallery.catalogue.connect import transaction
from gallery.catalogue.tables import UploadRow
from gallery.errors import StaleAttempt
from gallery.imaging.pool import DecoderPool
from gallery.imaging.styles_file import load_limits
from gallery.ingest.host import this_host
from gallery.ingest.workspace import Workspace, open_render_resources
from gallery.models import Attempt
from gallery.settings import load_settings


def main(upload_id: str) -> None:
    settings = load_settings()
    with ExitStack() as stack:
        resources = stack.enter_context(open_render_resources(settings, application="second-process"))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = DecoderPool(1, resources.recipe, load_limits(settings), memory_budget=settings.memory_budget)
        decoders = stack.enter_context(pool)
        with transaction(resources.engine) as session:
            row = session.get_one(UploadRow, upload_id)
            assert row.accepted_seq is not None
            attempt = Attempt(upload_id, row.gallery_id, row.attempt, row.accepted_seq, row.image_count)
            claims.join(session, attempt, flow_run_id=None, host=this_host(), process_id=os.getpid())
        workspace = Workspace(resources, decoders, scratch, attempt)

        @flow(name="second-process", persist_result=False)
        def second_process() -> None:
            take_through_stages(workspace, row.image_count)

        try:
            second_process()
        except StaleAttempt:
            # The run has ended the attempt between two looks.
            return


if __name__ == "__main__":
    main(sys.argv[1])
