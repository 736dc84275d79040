"""Ways to do the same work over a staged gallery: each a program, but for the pipeline itself.

    python -m bench.peers.bare_loop GALLERY_ID UPLOAD_ID

All of them download from S3 with SHA-256 on the way, render the same recipe, put the renditions into the library,
copy the original, commit the same rows, and apply the same rule of what to clean up.
"""
