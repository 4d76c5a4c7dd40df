"""AWS as Muster meets it in tests: moto with the behaviours that a failover depends on.

moto answers every call at once and forgets what AWS makes hard: states that take hours, two regions
that disagree, reads that show the past. This package adds those, and each one names the fact it
imitates (`facts §2` is section 2 of the collection of AWS facts that the design refers to).

    python -m muster_moto --port 0 --clock-file CLOCK      prints `ready PORT` when it answers

One file holds one RFC 3339 instant and is the only clock: it is read at every call, what AWS would
have done meanwhile is done then, in order, and every time in an answer comes from it. Message
visibility in SQS is the exception: it runs on real time, or a frozen clock would lose messages.

Control, JSON over HTTP on the same port, described in `control.py`:

    GET  /_muster/state       the instant, the settings, and what is still to happen
    PUT  /_muster/settings    {"snapshot_secs": 120, …}: see `settings.py`, each with its meaning
    PUT  /_muster/lag         {"region", "cluster", "lag_ms"}: a replication sample every minute
    PUT  /_muster/status      {"region", "kind", "id", "status"}: put something in a state by hand
    GET  /_muster/calls       every call, with its parameters, its answer and the clock's time
    GET  /_muster/effects     what really happened, once for each time it happened
    DELETE /_muster/calls     forget calls and effects, keep the world
    POST /_muster/reset       an empty world and the settings it started with

Reading order: `world`, `settings`, `snapshots`, `clusters`, `global_clusters`, then the rest.
"""
