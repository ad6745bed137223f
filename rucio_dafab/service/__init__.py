"""The HTTP face: our routes and Rucio's own application in one ASGI process."""
