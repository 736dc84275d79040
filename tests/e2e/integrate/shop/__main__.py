"""Run the shop: `python -m shop PORT GALLERY`. Prints the session cookie of the gallery's owner, then serves."""

import os
import sys

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
django.setup()

from django.conf import settings  # noqa: E402 - after the set-up
from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402

from .models import Gallery  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
owner = User.objects.create_user("owner")
Gallery.objects.create(slug=sys.argv[2], owner=owner, order_id=17)
client = Client()
client.force_login(owner)
sys.stdout.write(client.cookies[settings.SESSION_COOKIE_NAME].value + "\n")
sys.stdout.flush()
call_command("runserver", f"127.0.0.1:{sys.argv[1]}", use_reloader=False, skip_checks=True, verbosity=0)
