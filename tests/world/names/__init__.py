"""Route 53's data plane: answers from record sets, and from health checks that really probe.

It needs no control plane: when Route 53 can no longer be asked, it goes on with what it last knew
(facts §5.1). Started by `dns.py`.
"""
