"""Where the server is by default, and how long the clients wait for it."""

DEFAULT_SERVER = "http://127.0.0.1:8451"
# How long a client goes on trying: a server that has answered before, and one that never has.
PATIENCE_S = 15.0
FIRST_PATIENCE_S = 3.0
FIRST_RETRY_S = 0.1
SLOWEST_RETRY_S = 2.0
PAGE_SIZE = 200
# The longest that the server holds back the answer to a request with `wait`, and the longest that any answer may take.
HOLD_S = 20
TIMEOUT_S = 30.0
# The shortest time between two requests of `follow`, however fast the resource changes.
PACE_S = 0.5
