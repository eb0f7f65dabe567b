"""Who may do what, of devices and of people.

    devices   what an enrolled node may write: asked by the hub, and by the node of itself
    people    what somebody at a node may do: asked by every surface of it
    table     the rights of each role, one line an action

Invariant: rights are decided here and nowhere else, by pure functions that deny unless a rule allows.
"""

from protocol.access.devices import DeviceRights, Edit, device_may, edit_fault

__all__ = ["DeviceRights", "Edit", "device_may", "edit_fault"]
