"""What `python -m ivid` can do, one module per group of commands; each imports what it needs when it runs."""
