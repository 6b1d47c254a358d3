"""Reading and writing files, finding them in data sets, and the data resources that are fetched."""

from actionloop.files.resources import cache_folder, fetch, manifest, require, resource, sha256_of, status, terms

__all__ = [
    "cache_folder",
    "fetch",
    "manifest",
    "require",
    "resource",
    "sha256_of",
    "status",
    "terms",
]
