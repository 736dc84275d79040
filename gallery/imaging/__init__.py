"""From an uploaded file to its renditions: sniff, limit, decode once, colour, resize, watermark, encode.

Read `render.py` first: it is the pipeline as a list of steps. `pool.py` runs it in subprocesses that may
die or hang, `recipe.py` says what is to be made. Decoder subprocesses import this package and Pillow and
nothing else, so its modules stay free of settings, database and Prefect.
"""
