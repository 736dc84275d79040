"""What the page assumes of an application: galleries that users own, with their uploads."""

from django.conf import settings
from django.db import models


class Gallery(models.Model):
    slug = models.SlugField(unique=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    order_id = models.IntegerField()


class Upload(models.Model):
    upload_id = models.CharField(max_length=64, unique=True)
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE)
    state = models.CharField(max_length=32, default="open")
