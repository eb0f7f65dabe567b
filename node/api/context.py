"""What handlers find in the application."""

from typing import Final

from aiohttp import web

from node.lan.door import Lan
from node.node import Node

NODE: Final = web.AppKey("NODE", Node)
LAN: Final = web.AppKey("LAN", Lan)
