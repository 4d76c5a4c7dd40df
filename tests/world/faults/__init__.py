"""A fault proxy between Muster and the emulated AWS, on top of microburst.

microburst knows the wire formats and gives throttles, errors, latency and cut bodies
(`/_microburst/rules`). This package adds what must happen at one exact call: kill the caller, stay
silent, or lose the answer of a call that took effect. Started by `proxy.py`.
"""
