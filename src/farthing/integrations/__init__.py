"""Farthing inside web frameworks: routes that charge for themselves.

Each module imports its own framework and no other: `fastapi`, `flask`, `django`, and `asgi` for everything else that
speaks ASGI. What they have in common is in `charging`.
"""
