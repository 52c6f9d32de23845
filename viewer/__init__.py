"""Looking at a scene: in the page, alone in a browser, as one HTML file, or in a native window.

Knows scenes and cameras, nothing of networks. Importing it imports neither torch nor gradio.
"""
