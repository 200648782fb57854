"""Parts of pages about the catalogue, for the packages that have the pages."""
