"""The page: picking a class and a seed, watching the scene grow, looking around in it, taking it away.

`layout.build_page` puts it together; `app.py` launches it. Nothing here imports torch until a model is loaded.
"""
