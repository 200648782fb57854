"""Files from elsewhere, taken in: read, mapped, checked row by row, handed to the services."""
