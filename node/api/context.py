"""What handlers find in the application."""

from typing import Final

from aiohttp import web

from node.node import Node

NODE: Final = web.AppKey("NODE", Node)
