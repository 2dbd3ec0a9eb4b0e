"""Runs os-ken's manager: `manager.py OPTIONS APPLICATION`.

os-ken 1.4 asks eventlet for a constant that newer releases of eventlet, which newer releases of Python
need, no longer have. The applications are left as they are.
"""

import sys

import eventlet.wsgi

if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
    eventlet.wsgi.ALREADY_HANDLED = []

from os_ken.cmd.manager import main  # noqa: E402

sys.exit(main())
