"""Captioning, one to many: a picture in, a sentence about it out, with where the network looked at each word."""

from apps.captioning.captioner import Caption, ImageCaptioner

__all__ = ["Caption", "ImageCaptioner"]
