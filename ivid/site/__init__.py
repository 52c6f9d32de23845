"""A model as a folder for any web server: a page that makes scenes in the browser, without Python behind it."""
