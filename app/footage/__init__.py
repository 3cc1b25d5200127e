"""From a path to timed frames: which cameras there are, when their footage began, and what is in it."""

from app.footage.decode import Decoder, Resume, open_footage
from app.footage.discover import Camera, Footage, Survey, discover, survey
from app.footage.fingerprint import grown
from app.footage.site_toml import SiteConfig, site_config

__all__ = [
    "Camera",
    "Decoder",
    "Footage",
    "Resume",
    "SiteConfig",
    "Survey",
    "discover",
    "grown",
    "open_footage",
    "site_config",
    "survey",
]
