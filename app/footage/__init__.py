"""From a path to timed frames: which cameras there are, when their footage began, and what is in it."""

from app.footage.container import FootageError
from app.footage.decode import Decoder, Resume, open_footage
from app.footage.discover import Camera, Footage, discover
from app.footage.fingerprint import grown
from app.footage.site_toml import SiteConfig, SiteConfigError, site_config

__all__ = [
    "Camera",
    "Decoder",
    "Footage",
    "FootageError",
    "Resume",
    "SiteConfig",
    "SiteConfigError",
    "discover",
    "grown",
    "open_footage",
    "site_config",
]
