"""From an uploaded file to its renditions: detect, limit, decode once, colour, resize, watermark, encode.

Read `render.py` first: it shows the pipeline as two lists of steps. `pool.py` runs it in subprocesses that may crash
or hang. `recipe.py` has the types of what is to be made; `styles_file.py` reads them. Decoder subprocesses import this
package and Pillow and nothing else, so its modules stay free of settings, database and Prefect.
"""
