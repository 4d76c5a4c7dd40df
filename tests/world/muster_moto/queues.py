"""Queues of SQS: how long a received message stays hidden.

That runs on real time: on a frozen clock a message would be lost. A test that must see a message come
again cannot wait for a minute, so `message_hidden_secs_max` cuts it short for everybody.
"""

from moto.sqs.models import Message

from .world import World


class Queues:
    """Installs itself over moto's messages."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        world, hide = self.world, Message.change_visibility

        def change_visibility(message: Message, visibility_timeout: int) -> None:
            hide(message, min(int(visibility_timeout), int(world.settings.message_hidden_secs_max)))

        Message.change_visibility = change_visibility
