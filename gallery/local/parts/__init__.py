"""How each part of the local stack is run, one module per part."""
