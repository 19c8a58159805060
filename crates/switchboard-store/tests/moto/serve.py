"""Serves moto on a free port of 127.0.0.1, which it prints, until its standard input ends.

That is when whoever started it is gone, however that happened. Requests are carried out one after
the other: where a transaction fails, moto puts the tables back as they were before it, and what
others wrote meanwhile would be lost with it.
"""

import os
import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

application = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()


def one_at_a_time(environ, start_response):
    with turn:
        return application(environ, start_response)


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
