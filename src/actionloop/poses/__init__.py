"""Where to lay a coil: candidate poses, their field on the cortex, the search, and how sure the choice is."""
