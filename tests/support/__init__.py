"""What more than one file of tests stands on."""
